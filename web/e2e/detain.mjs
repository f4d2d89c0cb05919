// Puts into the quarantine of a data folder what a server that could not write would put there: a real record of its own
// log, and one of which the bytes are damaged.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The first record that the log still holds as the server wrote it (docs/format/log-record.md). */
function recordOf(data) {
  const log = join(data, 'log');
  for (const name of readdirSync(log, { recursive: true })) {
    if (!name.endsWith('.blk')) continue;
    const block = readFileSync(join(log, name));
    const at = block.indexOf('YGLR');
    if (at < 0) continue;
    return block.subarray(at, at + 13 + block.readUInt32BE(at + 5));
  }
  throw new Error('the log holds no record: it is sealed already');
}

export const kept = { whole: 'record-3-1042', damaged: 'record-9-7' };

/** Why they lie there, as workers say it. */
const why = 'seal worker crashed (signal: segmentation fault)';

export function detain(data) {
  const put = (id, raw) => {
    writeFileSync(join(data, 'quarantine', `${id}.bin`), raw);
    writeFileSync(join(data, 'quarantine', `${id}.bin.txt`), `${why}\n`);
  };
  const record = recordOf(data);
  put(kept.whole, record);
  put(kept.damaged, Buffer.from(record).reverse());
}
