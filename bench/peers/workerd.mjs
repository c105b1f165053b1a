// workerd.mjs - peer: the same hello as a module worker; workerd reuses its isolate between requests.
// It must do the same work as the other peers: {"name":"world"} in, {"hello":"world"} out.
export default {
    async fetch(request) {
        const { name } = await request.json();
        return Response.json({ hello: name });
    },
};
