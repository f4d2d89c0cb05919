const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A number of bytes as people read it: 3 digits at most before the point, one behind it. */
export function sizeText(bytes: number, language: string): string {
  let [value, at] = [bytes, 0];
  while (value >= 1024 && at < units.length - 1) [value, at] = [value / 1024, at + 1];
  return `${value.toLocaleString(language, { maximumFractionDigits: at === 0 ? 0 : 1 })} ${units[at]}`;
}
