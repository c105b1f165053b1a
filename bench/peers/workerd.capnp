# workerd.capnp - configuration of the workerd peer: one worker, one loopback socket whose address
# the bench gives on the command line (--socket-addr http=127.0.0.1:PORT).
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
    services = [(name = "main", worker = .hello)],
    sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const hello :Workerd.Worker = (
    modules = [(name = "workerd.mjs", esModule = embed "workerd.mjs")],
    compatibilityDate = "2026-06-01",
);
