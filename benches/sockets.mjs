// Opens sockets with the stock client, many a person, then has a channel bring messages and says how long it was from
// sending one to hearing it at each socket: `benches/crm`. Prints {"open": N}, then {"heard": N, "p95_ms": …}.
//   node sockets.mjs URL MACHINE-TOKEN '["email", …]' SOCKETS
import { createRequire } from "node:module";
const { io } = createRequire(new URL("../backend/tests/socket-client/client.mjs", import.meta.url))("socket.io-client");

const [url, machine, emails, count] = process.argv.slice(2);
const people = JSON.parse(emails);
const headers = { "Content-Type": "application/json" };
const post = async (path, body, more = {}) => {
  const answer = await fetch(url + path, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
};
const sent = new Map();
const waits = [];
const hear = ({ message_id }) => {
  const now = performance.now();
  // The event may be here before the answer that names the message.
  if (sent.has(message_id)) waits.push(now - sent.get(message_id));
  else early.push([message_id, now]);
};
const early = [];
const tokens = [];
for (const email of people) {
  tokens.push((await post("/auth/login", { email, password: "correcto-caballo-bateria" })).access_token);
}
let open = 0;
const sockets = Array.from({ length: Number(count) }, (_, number) => {
  const socket = io(url, { transports: ["websocket"], forceNew: true, auth: { token: tokens[number % tokens.length] } });
  socket.on("connect", () => open++);
  socket.on("connect_error", (error) => { console.error(error.message); process.exit(1); });
  socket.on("NEW_MESSAGE", hear);
  return socket;
});
while (open < sockets.length) await new Promise((done) => setTimeout(done, 50));
console.log(JSON.stringify({ open }));
await new Promise((done) => setTimeout(done, 2000));
for (let number = 0; number < 200; number++) {
  const start = performance.now();
  const message = {
    tenant_id: 1, channel: "whatsapp", provider: "bench", provider_message_id: `bench-${Date.now()}-${number}`,
    contact: `+54911555${String(number).padStart(5, "0")}`, name: "Sofía Paz", body: "Hola",
  };
  const { message_id } = await post("/chat", message, { Authorization: `Bearer ${machine}` });
  sent.set(message_id, start);
  await new Promise((done) => setTimeout(done, 50));
}
await new Promise((done) => setTimeout(done, 2000));
for (const [message, at] of early) if (sent.has(message)) waits.push(at - sent.get(message));
waits.sort((a, b) => a - b);
const at = (share) => Math.round(waits[Math.floor(waits.length * share)] * 10) / 10;
console.log(JSON.stringify({ heard: waits.length, p50_ms: at(0.5), p95_ms: at(0.95), max_ms: at(0.9999) }));
process.exit(0);
