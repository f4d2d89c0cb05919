import { useText } from '../i18n/language';

export const levels = ['critical', 'high', 'medium', 'low', 'informational'] as const;
export type Level = (typeof levels)[number];

export function levelOf(s: string): Level {
  return s === 'critical' || s === 'high' || s === 'medium' || s === 'low' ? s : 'informational';
}

const shape: Record<Level, string> = { critical: '◆', high: '▲', medium: '●', low: '○', informational: '–' };
const tone: Record<Level, string> = {
  critical: 'text-critical bg-critical-bg',
  high: 'text-high bg-high-bg',
  medium: 'text-medium bg-medium-bg',
  low: 'text-low bg-low-bg',
  informational: 'text-info bg-info-bg',
};
/** The colour of a severity's text. */
export const ink: Record<Level, string> = {
  critical: 'text-critical',
  high: 'text-high',
  medium: 'text-medium',
  low: 'text-low',
  informational: 'text-info',
};

/** A severity by shape, word and colour, never by colour alone. */
export function Severity({ level }: { level: string }) {
  const t = useText();
  const l = levelOf(level);
  return (
    <span
      className={`inline-flex items-center gap-1 rounded-sm px-1.5 py-px text-xs font-semibold whitespace-nowrap ${tone[l]}`}
    >
      <span aria-hidden="true">{shape[l]}</span>
      {t[l]}
    </span>
  );
}

/** The shape alone, where the word stands close by or in the label. */
export function SeverityMark({ level }: { level: string }) {
  const t = useText();
  const l = levelOf(level);
  return (
    <span role="img" aria-label={t[l]} title={t[l]} className={`inline-block w-3 text-center ${ink[l]}`}>
      {shape[l]}
    </span>
  );
}

const ranks: Record<Level, number> = { critical: 5, high: 4, medium: 3, low: 2, informational: 1 };

export function worst(levels: string[]): Level | undefined {
  let top: Level | undefined;
  for (const s of levels) {
    const l = levelOf(s);
    if (!top || ranks[l] > ranks[top]) top = l;
  }
  return top;
}

/** 5 for critical down to 1. */
export function rank(severity: string): number {
  return ranks[levelOf(severity)];
}
