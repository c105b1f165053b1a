//! A function: the request's content on stdin, the response's on stdout, the log on stderr.
//! Http_Method, Http_Path, Http_Query and Http_<Header_Name> are in the environment.
use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let method = std::env::var("Http_Method").unwrap_or_default();
    let mut body = Vec::new();
    io::stdin().read_to_end(&mut body)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{method}")?;
    out.write_all(&body)?;
    out.flush()
}
