use odeon_kernel::SystemClock;
use odeon_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse,
    api_versions_response::ApiVersion,
};
use odeon_protocol::{decode_request_header, encode_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn options() -> ConnectionOptions {
    ConnectionOptions {
        client_id: "test".into(),
        clock: Arc::new(SystemClock::new()),
        connect_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(5),
        max_response_bytes: 1 << 20,
    }
}

/// What the broker of a test does with a request that is not `ApiVersions`.
#[derive(Clone, Copy)]
enum Answer {
    Echo,
    Nothing,
    WrongId,
    Huge,
    Garbage,
    HangUp,
}

async fn broker(answer: Answer) -> HostPort {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    odeon_kernel::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        loop {
            let Ok(length) = socket.read_u32().await else {
                return;
            };
            let mut frame = vec![0; length as usize];
            socket.read_exact(&mut frame).await.unwrap();
            let request = decode_request_header(frame.into()).unwrap();
            let (id, version) = (
                request.header.correlation_id,
                request.header.request_api_version,
            );
            let bytes = if request.api_key == ApiKey::ApiVersions {
                api_versions(id, version)
            } else {
                let (key, response) = (ApiKey::Metadata, MetadataResponse::default());
                match answer {
                    Answer::Echo => encode_response(id, key, version, &response)
                        .unwrap()
                        .concat(),
                    Answer::WrongId => encode_response(id + 7, key, version, &response)
                        .unwrap()
                        .concat(),
                    Answer::Nothing => continue,
                    Answer::Huge => u32::MAX.to_be_bytes().to_vec(),
                    Answer::Garbage => {
                        [5u32.to_be_bytes(), id.to_be_bytes(), [9; 4]].concat()[..9].to_vec()
                    }
                    Answer::HangUp => return,
                }
            };
            socket.write_all(&bytes).await.unwrap();
        }
    });
    HostPort {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

/// As an old broker answers: version 3 is unknown to it.
fn api_versions(id: i32, version: i16) -> Vec<u8> {
    let api = |api_key, max_version| ApiVersion {
        api_key,
        max_version,
        ..Default::default()
    };
    let response = ApiVersionsResponse {
        error_code: if version > 0 { 35 } else { 0 },
        api_keys: vec![api(3, 9), api(18, 0)],
        ..Default::default()
    };
    encode_response(id, ApiKey::ApiVersions, 0, &response)
        .unwrap()
        .concat()
}

async fn connect(answer: Answer) -> Connection {
    Connection::open(&broker(answer).await, &options())
        .await
        .unwrap()
}

#[tokio::test]
async fn the_newest_common_version_is_chosen() {
    let connection = connect(Answer::Echo).await;
    assert_eq!(
        connection
            .version_up_to::<MetadataRequest>(i16::MAX)
            .unwrap(),
        9
    );
    assert_eq!(connection.version_up_to::<MetadataRequest>(4).unwrap(), 4);
    let missing = connection.version_up_to::<odeon_protocol::messages::FetchRequest>(i16::MAX);
    assert!(matches!(missing, Err(ClientError::Unsupported { .. })));
    assert_eq!(
        connection
            .version_up_to::<ApiVersionsRequest>(i16::MAX)
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn pipelined_requests_get_their_own_answers() {
    let connection = connect(Answer::Echo).await;
    let pending: Vec<_> = (0..300)
        .map(|_| connection.submit(&MetadataRequest::default(), 9).unwrap())
        .collect();
    for one in pending {
        one.wait(Duration::from_secs(5)).await.unwrap();
    }
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn an_answer_that_does_not_come_ends_the_connection() {
    let connection = connect(Answer::Nothing).await;
    let request = MetadataRequest::default();
    let error = connection
        .call_at(&request, 9, Duration::from_millis(20))
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }), "{error}");
    assert!(connection.is_closed());
    let error = connection.call(&request).await.unwrap_err();
    assert!(matches!(error, ClientError::Disconnected { .. }), "{error}");
}

#[tokio::test]
async fn whatever_a_broker_does_wrong_ends_the_connection_with_a_reason() {
    for (answer, reason) in [
        (Answer::WrongId, "out of order"),
        (Answer::Huge, "above the limit"),
        (Answer::Garbage, "does not parse"),
        (Answer::HangUp, "closed"),
    ] {
        let connection = connect(answer).await;
        let error = connection
            .call(&MetadataRequest::default())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(connection.is_closed());
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error_that_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = HostPort {
        host: "127.0.0.1".to_owned(),
        port,
    };
    let error = Connection::open(&address, &options()).await.unwrap_err();
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
}
