// `process.stdout`, `process.stderr` and `process.stdin`.

import stream from 'readable-stream';
import { process } from './process.js';
import { bytesOf, fs } from './fs.js';

function output(fd) {
  const sink = new stream.Writable({
    decodeStrings: false,
    write(chunk, encoding, callback) {
      const bytes = bytesOf(chunk, encoding === 'buffer' ? 'utf8' : encoding);
      for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done, bytes.length - done);
      callback();
    },
  });
  sink.destroy = () => sink;
  return Object.assign(sink, { fd, isTTY: false, columns: 80, rows: 24, getColorDepth: () => 1, hasColors: () => false });
}

process.stdout = output(1);
process.stderr = output(2);
process.stdin = Object.assign(new stream.Readable({ read() { this.push(null); } }), { fd: 0, isTTY: false });
