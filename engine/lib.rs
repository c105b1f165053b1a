//! Makes libtfaas_engine.a out of the Wasmtime C API. No Rust of ours: only the link.
extern crate wasmtime_c_api;
