// One end of a conversation, run inside a pod: prints a line of JSON.
//   serve PORT                 answers on TCP and UDP with whom it sees; prints {"ready":true}
//   tcp|udp|udp-connected HOST PORT   asks once; prints {peer, answer} or {error}
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';

const [mode, host, portText] = process.argv.slice(2);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const place = (address, port) => `${address.replace('::ffff:', '')} ${port}`;

const finish = (value) => {
  print(value);
  process.exit();
};

function serve(port) {
  const tcp = createServer((socket) => socket.on('error', () => undefined).end(place(socket.remoteAddress, socket.remotePort)));
  const udp = createSocket({ type: 'udp6' });
  udp.on('message', (_, from) => udp.send(place(from.address, from.port), from.port, from.address));
  tcp.listen(port, '::', () => udp.bind(port, '::', () => print({ ready: true })));
}

function askTcp(port) {
  const socket = connect(port, host);
  const answer = [];
  let peer;
  socket.on('connect', () => {
    peer = place(socket.remoteAddress, socket.remotePort);
  });
  socket.on('data', (data) => answer.push(data)).on('error', (error) => finish({ error: error.code }));
  socket.on('end', () => finish({ peer, answer: Buffer.concat(answer).toString() }));
}

function askUdp(port, connected) {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const ask = () => (connected ? socket.send('?', sent) : socket.send('?', port, host, sent));
  // Where nothing was refused the first time, what ICMP said about it is told by the second.
  const sent = (error) => (error ? finish({ error: error.code }) : connected && setTimeout(ask, 200));
  socket.on('error', (error) => finish({ error: error.code }));
  socket.on('message', (data, from) => {
    const peer = connected ? socket.remoteAddress() : from;
    finish({ peer: place(peer.address, peer.port), answer: data.toString(), from: place(from.address, from.port) });
  });
  if (connected) socket.connect(port, host, (error) => (error ? finish({ error: error.code }) : ask()));
  else socket.bind(0, ask);
}

const port = Number(mode === 'serve' ? host : portText);
if (mode === 'serve') serve(port);
else if (mode === 'tcp') askTcp(port);
else askUdp(port, mode === 'udp-connected');
setTimeout(() => mode !== 'serve' && finish({ error: 'TIMEOUT' }), 5000);
