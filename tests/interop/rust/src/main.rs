//! OHTTP, chunked OHTTP and Binary HTTP against the `ohttp` and `bhttp` crates, both roles.
//! Usage: tfaas-interop PATH_OF_OHTTP_TOOL. Prints "N passed, N failed, N skipped".

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Cursor, Write};
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::task::{Context, Poll};

use bhttp::{Message, Mode};
use futures::executor::block_on;
use futures::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{ClientRequest, KeyConfig, Server, SymmetricSuite};

const IKM: [u8; 32] = [0x5a; 32];
const KEY_ID: u8 = 9;

struct Tool {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Tool {
    fn start(path: &str) -> Tool {
        let mut child = Command::new(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the tool does not start");
        let answers = BufReader::new(child.stdout.take().unwrap());
        Tool { child, answers }
    }

    fn ask(&mut self, name: &str, args: &[&[u8]]) -> Result<Vec<Vec<u8>>, String> {
        let mut line = String::from(name);
        for a in args {
            line.push(' ');
            line.push_str(&if a.is_empty() { "-".into() } else { hex::encode(a) });
        }
        line.push('\n');
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).map_err(|e| e.to_string())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(|e| e.to_string())?;
        let mut words = answer.split_whitespace();
        match words.next() {
            Some("ok") => Ok(words
                .map(|w| if w == "-" { vec![] } else { hex::decode(w).unwrap() })
                .collect()),
            _ => Err(answer.trim().to_string()),
        }
    }

    fn one(&mut self, name: &str, args: &[&[u8]]) -> Result<Vec<u8>, String> {
        Ok(self.ask(name, args)?.remove(0))
    }
}

type Outcome = Result<(), String>;

fn same(what: &str, have: &[u8], want: &[u8]) -> Outcome {
    if have == want {
        return Ok(());
    }
    Err(format!("{what}: {} bytes, not the {} expected", have.len(), want.len()))
}

fn e<T: std::fmt::Debug>(error: T) -> String {
    format!("{error:?}")
}

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// A stream whose bytes can still be read when its writer is owned by someone else.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.borrow_mut().extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn their_server(aead: Aead) -> Server {
    let suite = SymmetricSuite::new(Kdf::HkdfSha256, aead);
    Server::new(KeyConfig::derive(KEY_ID, Kem::X25519Sha256, vec![suite], &IKM).unwrap()).unwrap()
}

fn number(aead: Aead) -> [u8; 2] {
    u16::from(aead).to_be_bytes()
}

/// The tool's configuration with that suite alone: their client takes the first.
fn their_client(tool: &mut Tool, aead: Aead) -> Result<ClientRequest, String> {
    let config = tool.ask("key", &[&[KEY_ID], &IKM])?.remove(1);
    let mut only = config[..35].to_vec();
    only.extend_from_slice(&[0, 4, 0, 1]);
    only.extend_from_slice(&number(aead));
    ClientRequest::from_encoded_config(&only).map_err(e)
}

fn we_are_client(tool: &mut Tool, aead: Aead, size: usize) -> Outcome {
    let server = their_server(aead);
    let keys = KeyConfig::encode_list(&[server.config()]).map_err(e)?;
    let (request, response) = (bytes(size), bytes(size / 2 + 1));
    let message = tool.one("encapsulate", &[&number(aead), &keys, &request])?;
    let (got, answer) = server.decapsulate(&message).map_err(e)?;
    same("request", &got, &request)?;
    let answer = answer.encapsulate(&response).map_err(e)?;
    same("response", &tool.one("open", &[&answer])?, &response)
}

fn we_are_server(tool: &mut Tool, aead: Aead, size: usize) -> Outcome {
    let client = their_client(tool, aead)?;
    let (request, response) = (bytes(size), bytes(size / 2 + 1));
    let (message, handler) = client.encapsulate(&request).map_err(e)?;
    same("request", &tool.one("decapsulate", &[&message])?, &request)?;
    let answer = tool.one("respond", &[&response])?;
    same("response", &handler.decapsulate(&answer).map_err(e)?, &response)
}

fn key_lists(tool: &mut Tool, _: Aead, _: usize) -> Outcome {
    let list = tool.ask("key", &[&[KEY_ID], &IKM])?.remove(0);
    let configs = KeyConfig::decode_list(&list).map_err(e)?;
    // They leave out the suite that they do not have.
    let mut want = list[..39].to_vec();
    want[1] -= 4;
    want[37..39].copy_from_slice(&[0, 4]);
    want.extend_from_slice(&list[list.len() - 4..]);
    same("list", &KeyConfig::encode_list(&configs).map_err(e)?, &want)
}

fn we_are_chunked_client(tool: &mut Tool, aead: Aead, size: usize) -> Outcome {
    let server = their_server(aead);
    let keys = KeyConfig::encode_list(&[server.config()]).map_err(e)?;
    let (request, response) = (bytes(size), bytes(size / 2 + 1));
    let chunk = 1000u16.to_be_bytes();
    let message = tool.one("chunked-encapsulate", &[&number(aead), &keys, &chunk, &request])?;
    let mut incoming = server.decapsulate_stream(&message[..]);
    let mut got = Vec::new();
    block_on(incoming.read_to_end(&mut got)).map_err(e)?;
    same("request", &got, &request)?;
    let shared = Shared::default();
    let mut outgoing = incoming.response(shared.clone()).map_err(e)?;
    for piece in response.chunks(333) {
        block_on(outgoing.write_all(piece)).map_err(e)?;
    }
    block_on(outgoing.close()).map_err(e)?;
    let answer = shared.0.borrow().clone();
    same("response", &tool.one("chunked-open", &[&[100], &answer])?, &response)?;
    match tool.one("chunked-open", &[&[100], &answer[..answer.len() - 1]]) {
        Ok(_) => Err("a cut response opened".into()),
        Err(_) => Ok(()),
    }
}

/// The request alone: their reader of chunked responses has room for a nonce of 16 bytes, while
/// ChaCha20-Poly1305, the one AEAD in common, takes 32 (and then it panics).
fn we_are_chunked_server(tool: &mut Tool, aead: Aead, size: usize) -> Outcome {
    let client = their_client(tool, aead)?;
    let request = bytes(size);
    let shared = Shared::default();
    let mut outgoing = client.encapsulate_stream(shared.clone()).map_err(e)?;
    for piece in request.chunks(777) {
        block_on(outgoing.write_all(piece)).map_err(e)?;
    }
    block_on(outgoing.close()).map_err(e)?;
    let message = shared.0.borrow().clone();
    same("request", &tool.one("chunked-decapsulate", &[&[0, 99], &message])?, &request)?;
    match tool.one("chunked-decapsulate", &[&[0, 99], &message[..message.len() - 1]]) {
        Ok(_) => Err("a cut request opened".into()),
        Err(_) => Ok(()),
    }
}

fn encode(message: &Message, mode: Mode) -> Vec<u8> {
    let mut out = Vec::new();
    message.write_bhttp(mode, &mut out).unwrap();
    out
}

fn messages() -> Vec<Message> {
    let mut request = Message::request(b"POST".to_vec(), b"https".to_vec(), b"example.com".to_vec(), b"/x?y".to_vec());
    request.put_header("content-type", "text/plain");
    request.put_header("x-empty", "");
    request.write_content(bytes(3000));
    request.put_trailer("end", "of it");
    let get = Message::request(b"GET".to_vec(), b"https".to_vec(), b"".to_vec(), b"/".to_vec());
    // 102 with a field, 103 without, then 200 and content
    let raw = b"\x01\x40\x66\x04\x01a\x01b\x40\x67\x00\x40\xc8\x04\x01c\x01d\x05hello\x00";
    let response = Message::read_bhttp(&mut Cursor::new(&raw[..])).unwrap();
    let raw = b"\x01\x40\xcc\x00\x00\x00";
    let empty = Message::read_bhttp(&mut Cursor::new(&raw[..])).unwrap();
    vec![request, get, response, empty]
}

/// They write, we read and write anew in either framing, they read.
fn binary_http(tool: &mut Tool, _: Aead, piece: usize) -> Outcome {
    let piece = (piece as u16).to_be_bytes();
    for message in messages() {
        let want = encode(&message, Mode::KnownLength);
        for mode in [Mode::KnownLength, Mode::IndeterminateLength] {
            let theirs = encode(&message, mode);
            let known = tool.one("bhttp", &[&[1], &piece, &theirs])?;
            same("known length", &known, &want)?;
            let stream = tool.one("bhttp", &[&[0], &piece, &theirs])?;
            let back = Message::read_bhttp(&mut Cursor::new(&stream[..])).map_err(e)?;
            same("indeterminate length", &encode(&back, Mode::KnownLength), &want)?;
        }
    }
    Ok(())
}

fn main() {
    let mut tool = Tool::start(&std::env::args().nth(1).expect("usage: tfaas-interop TOOL"));
    type Test = fn(&mut Tool, Aead, usize) -> Outcome;
    let exchanges: [(&str, Test); 4] = [
        ("client", we_are_client),
        ("server", we_are_server),
        ("chunked client", we_are_chunked_client),
        ("chunked server", we_are_chunked_server),
    ];
    let mut tests: Vec<(String, Test, Aead, usize)> = Vec::new();
    for (name, test) in exchanges {
        // Of our two AEADs the crate has this one alone.
        for size in [1, 1000, 16384, 40000] {
            tests.push((format!("{name} {size}"), test, Aead::ChaCha20Poly1305, size));
        }
    }
    tests.push(("key lists".into(), key_lists, Aead::ChaCha20Poly1305, 0));
    for piece in [1, 7, 60000] {
        tests.push((format!("binary http in pieces of {piece}"), binary_http, Aead::ChaCha20Poly1305, piece));
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, test, aead, size) in tests {
        match test(&mut tool, aead, size) {
            Ok(()) => passed += 1,
            Err(why) => {
                failed += 1;
                println!("FAILED {name}: {why}");
            }
        }
    }
    println!("skipped: our chunked responses: the ohttp crate cannot read nonces of 32 bytes");
    println!("rust: {passed} passed, {failed} failed, 1 skipped");
    std::process::exit(i32::from(failed != 0));
}
