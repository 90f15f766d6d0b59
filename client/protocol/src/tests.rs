use bytes::{BufMut, Bytes, BytesMut};

use crate::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, FetchResponse, MetadataRequest,
    fetch_response::{FetchableTopicResponse, PartitionData},
};
use crate::{
    ApiKey, DecodeError, EncodeError, Encoder, Message, Request, decode_request_header,
    decode_response, encode_request, encode_response,
};

fn split_length(segments: &[Bytes]) -> Bytes {
    let mut frame = Bytes::from(segments.concat());
    let length = frame.split_to(4);
    assert_eq!(length[..], (frame.len() as i32).to_be_bytes());
    frame
}

#[test]
fn every_key_is_found_by_its_code() {
    assert_eq!(ApiKey::all().len(), 91);
    for key in ApiKey::all() {
        assert_eq!(ApiKey::from_code(key.code()), Some(key));
        assert!(!key.valid_versions().is_empty());
        assert!(key.is_broker_api() || key.is_controller_api());
    }
}

#[test]
fn apis_that_kafka_4_removed_have_no_key() {
    for code in [4, 5, 6, 7, -1, 1000] {
        assert_eq!(ApiKey::from_code(code), None);
    }
}

#[test]
fn keys_know_their_versions_and_headers() {
    assert_eq!(ApiKey::Fetch.valid_versions(), 4..=18);
    assert_eq!(ApiKey::Fetch.request_header_version(11), 1);
    assert_eq!(ApiKey::Fetch.request_header_version(12), 2);
    assert_eq!(ApiKey::Fetch.response_header_version(11), 0);
    assert_eq!(ApiKey::Fetch.response_header_version(12), 1);
    assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
    assert_eq!(ApiKey::ApiVersions.request_header_version(4), 2);
    assert_eq!(ApiKey::ApiVersions.response_header_version(4), 0);
    assert_eq!(ApiKey::InitProducerId.valid_versions(), 0..=6);
    assert_eq!(ApiKey::InitProducerId.stable_versions(), 0..=5);
    assert!(ApiKey::Vote.is_controller_api() && !ApiKey::Vote.is_broker_api());
    assert_eq!(
        ApiKey::OffsetForLeaderEpoch.to_string(),
        "OffsetForLeaderEpoch"
    );
}

#[test]
fn a_request_s_frame_reads_back() {
    let request = FetchRequest {
        max_wait_ms: 500,
        ..Default::default()
    };
    for version in [4, 12, 18] {
        let frame = split_length(&encode_request(9, Some("me"), version, &request).unwrap());
        let mut read = decode_request_header(frame).unwrap();
        assert_eq!(read.api_key, ApiKey::Fetch);
        assert_eq!(read.header.request_api_version, version);
        assert_eq!(read.header.correlation_id, 9);
        assert_eq!(read.header.client_id.as_deref(), Some("me"));
        assert_eq!(
            FetchRequest::decode(&mut read.body, version),
            Ok(request.clone())
        );
        assert_eq!(read.body.finish(), Ok(()));
    }
}

#[test]
fn the_header_of_a_version_that_does_not_exist_is_read() {
    let mut frame = BytesMut::new();
    frame.put_slice(&[0, 18, 0x7f, 0xff, 0, 0, 0, 3, 0, 1, b'c', 0]);
    frame.put_slice(b"whatever");
    let mut read = decode_request_header(frame.freeze()).unwrap();
    assert_eq!(read.api_key, ApiKey::ApiVersions);
    assert_eq!(read.header.request_api_version, i16::MAX);
    assert_eq!(read.header.correlation_id, 3);
    let error = DecodeError::UnsupportedVersion {
        message: "ApiVersionsRequest",
        version: i16::MAX,
    };
    assert_eq!(
        ApiVersionsRequest::decode(&mut read.body, i16::MAX),
        Err(error)
    );
}

#[test]
fn a_key_that_does_not_exist_is_refused() {
    let refused = decode_request_header(Bytes::from_static(&[0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert_eq!(refused.unwrap_err(), DecodeError::UnknownApiKey(0x1000));
    assert!(decode_request_header(Bytes::from_static(&[0, 1, 0])).is_err());
}

#[test]
fn the_answer_to_api_versions_has_the_header_of_version_0() {
    let response = ApiVersionsResponse {
        error_code: 35,
        ..Default::default()
    };
    let frame = split_length(&encode_response(7, ApiKey::ApiVersions, 4, &response).unwrap());
    assert_eq!(frame[..6], [0, 0, 0, 7, 0, 35]);
    let (header, read) = decode_response::<ApiVersionsRequest>(frame, 4).unwrap();
    assert_eq!((header.correlation_id, read), (7, response));
}

#[test]
fn fetched_records_are_written_without_a_copy() {
    let records = Bytes::from(vec![1; 100_000]);
    let partition = PartitionData {
        records: Some(records.clone()),
        ..Default::default()
    };
    let topic = FetchableTopicResponse {
        partitions: vec![partition],
        ..Default::default()
    };
    let response = FetchResponse {
        responses: vec![topic],
        ..Default::default()
    };
    for version in FetchResponse::MIN_VERSION..=FetchResponse::MAX_VERSION {
        let segments = encode_response(1, FetchRequest::KEY, version, &response).unwrap();
        assert!(
            segments
                .iter()
                .any(|segment| segment.as_ptr() == records.as_ptr())
        );
        let frame = split_length(&segments);
        let (_, read) = decode_response::<FetchRequest>(frame, version).unwrap();
        assert_eq!(
            read.responses[0].partitions[0].records.as_ref(),
            Some(&records)
        );
    }
}

#[test]
fn a_null_that_the_version_does_not_allow_is_refused() {
    let request = MetadataRequest {
        topics: None,
        ..Default::default()
    };
    let error = EncodeError::UnexpectedNull { field: "topics" };
    assert_eq!(request.encode(&mut Encoder::new(), 0), Err(error));
    assert_eq!(request.encode(&mut Encoder::new(), 1), Ok(()));
}

#[test]
fn bytes_after_a_response_are_refused() {
    let response = ApiVersionsResponse::default();
    let segments = encode_response(7, ApiKey::ApiVersions, 0, &response).unwrap();
    let mut frame = split_length(&segments).to_vec();
    frame.push(0);
    let refused = decode_response::<ApiVersionsRequest>(frame.into(), 0);
    assert_eq!(refused.unwrap_err(), DecodeError::TrailingBytes(1));
}
