// A mail server for shops' mail: it accepts one login, without encryption, and keeps what it gets.

import { createServer } from 'node:net';

/** Listens on a free port of this address. `mails` has those of authenticated clients: sender, recipients, and text with headers. */
export async function mailServer(address, { username, password }) {
  const mails = [];
  const server = createServer((socket) => serve(socket, Buffer.from(`\0${username}\0${password}`).toString('base64'), mails));
  await new Promise((resolve) => server.listen(0, address, resolve));
  return { port: server.address().port, mails, end: () => server.close() };
}

function serve(socket, login, mails) {
  let [rest, mail, text, user, known] = ['', undefined, undefined, undefined, false];
  const say = (line) => socket.write(`${line}\r\n`);
  const signIn = (given) => say((known = given === login) ? '235 welcome' : '535 wrong login');
  const commands = {
    EHLO: () => say('250-mail.test\r\n250 AUTH PLAIN LOGIN'),
    AUTH: (kind, first) => {
      if (kind === 'PLAIN') return signIn(first);
      user = null;
      say('334 VXNlcm5hbWU6');
    },
    MAIL: (path) => (known ? ((mail = { from: addressOf(path), to: [] }), say('250 ok')) : say('530 sign in first')),
    RCPT: (path) => (mail.to.push(addressOf(path)), say('250 ok')),
    DATA: () => ((text = []), say('354 go on')),
    RSET: () => say('250 ok'),
    QUIT: () => (say('221 bye'), socket.end()),
  };
  const line = (line) => {
    if (text && line !== '.') return text.push(line);
    if (text) {
      mails.push({ ...mail, text: text.join('\n') });
      text = undefined;
      return say('250 kept');
    }
    if (user === null) return (user = line), say('334 UGFzc3dvcmQ6');
    if (user !== undefined) {
      const parts = [user, line].map((part) => Buffer.from(part, 'base64').toString());
      user = undefined;
      return signIn(Buffer.from(`\0${parts.join('\0')}`).toString('base64'));
    }
    const [name, ...words] = line.split(' ');
    return (commands[name.toUpperCase()] ?? (() => say('502 unknown')))(...words);
  };
  socket.setEncoding('utf8');
  socket.on('error', () => {});
  socket.on('data', (data) => {
    const lines = (rest + data).split('\r\n');
    rest = lines.pop();
    for (const each of lines) line(each);
  });
  say('220 mail.test');
}

/** `FROM:<a@example.com>` */
const addressOf = (path) => path.replace(/^.*<|>.*$/g, '');
