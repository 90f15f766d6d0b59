use super::*;

#[test]
fn a_request_is_read_as_it_was_written() {
    let body = Bytes::from(request(7, "raft", b"append"));
    let (link, service, rest) = parse(&body).unwrap();
    assert_eq!((link, service, &rest[..]), (7, "raft", &b"append"[..]));
    let empty = Bytes::from(request(7, "", b""));
    assert_eq!(parse(&empty), Some((7, "", Bytes::new())));
}

#[test]
fn a_request_that_is_cut_short_is_not_read() {
    let body = request(7, "raft", b"");
    for len in 0..body.len() {
        let part = Bytes::copy_from_slice(&body[..len]);
        assert_eq!(parse(&part), None, "{len} bytes");
    }
}

#[test]
fn every_answer_arrives_as_it_was_given() {
    let answers = [
        Ok(Bytes::new()),
        Ok(Bytes::from_static(b"reply")),
        Err(MeshError::UnknownService("raft".into())),
        Err(MeshError::Refused("not the leader".into())),
        Err(MeshError::Failed("a panic".into())),
        Err(MeshError::TooLarge {
            bytes: 11,
            max_bytes: 10,
        }),
    ];
    for answer in answers {
        assert_eq!(decode(encode(answer.clone())), answer);
    }
}

#[test]
fn a_reply_that_cannot_be_read_is_a_failure() {
    for reply in [vec![], vec![9], vec![TOO_LARGE], vec![TOO_LARGE; 12]] {
        let read = decode(reply.clone());
        assert!(
            matches!(read, Err(MeshError::Failed(_))),
            "{reply:?}: {read:?}"
        );
    }
}
