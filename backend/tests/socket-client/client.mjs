// Opens sockets with the stock client and prints what they hear, one JSON object per line.
//   node client.mjs '{"url": "http://…", "auth": {"token": "…"}, "sockets": 1, "options": {…}}'
// With "auths" in place of "auth" the sockets take turns with them.
// Each line of its input is an order: {"auth": {…}} for the next connects, {"emit": ["event", …]}, {"connect": true},
// {"disconnect": true}.
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const { url, auth, auths = [auth], sockets = 1, options = {} } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
let shown = auths;

const open = Array.from({ length: sockets }, (_, number) => {
  let after;
  const socket = io(url, {
    transports: ["websocket"],
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    // Asked at each connect, so a socket that comes back says where it left off.
    auth: (give) => give({ ...shown[number % shown.length], ...(after && { after }) }),
    ...options,
  });
  const tell = (event, more) => say({ socket: number, event, at: Date.now(), ...more });
  // What the connection itself came to, for whoever looks for the cause of a missing close code.
  let wire = {};
  socket.io.on("open", () => {
    const stream = socket.io.engine.transport.ws?._socket;
    const { localPort: port } = stream ?? {};
    wire = { port, opened: Date.now() };
    const mine = wire;
    stream?.on("error", ({ code, syscall }) => Object.assign(mine, { error: code, syscall }));
    stream?.on("close", () => Object.assign(mine, { read: stream.bytesRead, written: stream.bytesWritten }));
  });
  socket.on("connect", () => { wire.connected = true; tell("connect"); });
  socket.on("disconnect", (reason, details) =>
    tell("disconnect", { reason, code: details?.context?.code ?? null, wire }));
  socket.on("connect_error", (error) => tell("connect_error", { message: error.message, active: socket.active }));
  socket.onAny((event, data) => {
    after = data?.event_id ?? after;
    tell(event, { data });
  });
  return socket;
});

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  if (order.auth) shown = [order.auth];
  for (const socket of open) {
    if (order.emit) socket.emit(...order.emit);
    if (order.connect) socket.connect();
    if (order.disconnect) socket.disconnect();
  }
}).on("close", () => process.exit(0));
