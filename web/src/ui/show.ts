/**
 * Text made on a host as it may stand on a page: escaped bytes as \xNN, controls and bidirectional controls
 * visible. The same as event.Show on the server; the test holds both to the same examples.
 */
export function show(text: string): string {
  if (
    // biome-ignore lint/suspicious/noControlCharactersInRegex: controls are what this looks for
    !/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\u{10FE80}-\u{10FEFF}]/u.test(text)
  )
    return text;
  let out = '';
  for (const ch of text) {
    const c = ch.codePointAt(0) ?? 0;
    if (c >= 0x10fe80 && c <= 0x10feff) out += hexByte(c - 0x10fe00);
    else if (c === 10) out += '\\n';
    else if (c === 9) out += '\\t';
    else if (c === 13) out += '\\r';
    else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) out += hexByte(c);
    else if (steers(c)) out += `⟦U+${c.toString(16).toUpperCase().padStart(4, '0')}⟧`;
    else out += ch;
  }
  return out;
}

function steers(c: number): boolean {
  return (
    c === 0x061c ||
    (c >= 0x200b && c <= 0x200f) ||
    (c >= 0x2028 && c <= 0x202e) ||
    (c >= 0x2066 && c <= 0x2069) ||
    c === 0xfeff
  );
}

function hexByte(c: number): string {
  return `\\x${c.toString(16).padStart(2, '0')}`;
}

/** The last part of a path, by the kind of its separators. */
export function baseName(path: string): string {
  const cut = path.includes('/') ? path.lastIndexOf('/') : path.lastIndexOf('\\');
  return path.slice(cut + 1);
}
