//! Empty: this package only pins a source package (see Cargo.toml).
