use tokio::io::duplex;

use super::*;

fn hello(node: NodeId) -> Hello {
    Hello::new(node, 7, "cluster".into(), Purpose::Link)
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes())
}

#[test]
fn the_preamble_is_no_length_of_a_kafka_frame() {
    let [a, b, c, d, ..] = PREAMBLE;
    assert!(i32::from_be_bytes([a, b, c, d]) < 0);
}

#[tokio::test]
async fn both_sides_learn_who_the_other_is_and_call_the_connection_the_same() {
    let (mut near, mut far) = duplex(4096);
    let (one, two) = (hello(1), hello(2));
    let secret = secret("a secret of many bytes");
    let accepting = async {
        let mut preamble = [0; 8];
        far.read_exact(&mut preamble).await.unwrap();
        assert_eq!(preamble, PREAMBLE);
        let proved = accept(&mut far, &secret, &two).await.unwrap();
        proved.decide(&mut far, Ok(())).await.unwrap();
        proved
    };
    let (answered, proved) = tokio::join!(dial(&mut near, &secret, &one), accepting);
    let answered = answered.unwrap();
    assert_eq!((&answered.peer, &proved.peer), (&two, &one));
    assert_eq!(answered.link, proved.link);
    assert_eq!(answered.refused, None);
}

#[tokio::test]
async fn a_dialler_with_another_secret_learns_nothing_it_could_guess_with() {
    let (mut near, mut far) = duplex(4096);
    let (one, two) = (hello(1), hello(2));
    let (guess, secret) = (secret("a guess"), secret("the secret"));
    let accepting = async {
        far.read_exact(&mut [0; 8]).await.unwrap();
        accept(&mut far, &secret, &two).await
    };
    let (dialled, accepted) = tokio::join!(dial(&mut near, &guess, &one), accepting);
    assert!(matches!(dialled, Err(HandshakeError::RefusedByStranger(_))));
    assert!(matches!(accepted, Err(HandshakeError::WrongSecret)));
}

#[tokio::test]
async fn an_acceptor_that_echoes_the_diallers_proof_is_not_believed() {
    let (mut near, mut far) = duplex(4096);
    let secret = secret("the secret");
    let one = hello(1);
    let echoing = async {
        far.read_exact(&mut [0; 8]).await.unwrap();
        let mut hello: Hello = receive(&mut far).await.unwrap();
        hello.node = 2;
        send(&mut far, &hello).await.unwrap();
        let Proof { proof } = receive(&mut far).await.unwrap();
        let (proof, refused) = (Some(proof), None);
        send(&mut far, &Verdict { proof, refused }).await.unwrap();
    };
    let (dialled, ()) = tokio::join!(dial(&mut near, &secret, &one), echoing);
    assert!(matches!(dialled, Err(HandshakeError::WrongSecret)));
}

#[tokio::test]
async fn a_message_that_announces_too_much_is_refused_before_it_is_read() {
    let (mut near, mut far) = duplex(4096);
    near.write_all(&[0xff, 0xff]).await.unwrap();
    let refused = accept(&mut far, &secret("s"), &hello(2)).await;
    assert!(
        matches!(refused, Err(HandshakeError::Garbage(_))),
        "{refused:?}"
    );
}

#[test]
fn a_secret_is_never_shown() {
    let shown = format!("{:?}", secret("hunter2"));
    assert_eq!(shown, "Secret");
}
