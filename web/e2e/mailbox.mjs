// A mail server of this machine that keeps what it is sent: enough of RFC 5321 for one client that speaks it well.
import { createServer } from 'node:net';

/** Listens on a port of its own; mails holds each message as text, with quoted-printable and base64 undone. */
export async function mailbox() {
  const mails = [];
  const server = createServer((socket) => {
    let text = '';
    let data = false;
    const say = (line) => socket.write(`${line}\r\n`);
    say('220 mailbox');
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (;;) {
        if (data) {
          const end = text.indexOf('\r\n.\r\n');
          if (end < 0) return;
          mails.push(plain(text.slice(0, end)));
          text = text.slice(end + 5);
          data = false;
          say('250 kept');
          continue;
        }
        const end = text.indexOf('\r\n');
        if (end < 0) return;
        const word = text.slice(0, end).split(' ')[0].toUpperCase();
        text = text.slice(end + 2);
        if (word === 'DATA') {
          data = true;
          say('354 go on');
        } else if (word === 'QUIT') {
          say('221 bye');
          socket.end();
        } else say('250 mailbox');
      }
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { port: server.address().port, mails, close: () => server.close() };
}

function plain(mail) {
  const quoted = mail
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, h) => String.fromCharCode(Number.parseInt(h, 16)));
  const whole = mail.replace(/(?:[A-Za-z0-9+/]{60,76}\r\n)+[A-Za-z0-9+/=]+/g, (b) =>
    Buffer.from(b.replaceAll('\r\n', ''), 'base64').toString('latin1'),
  );
  return Buffer.from(`${quoted}\n${whole}`, 'latin1').toString('utf8');
}
