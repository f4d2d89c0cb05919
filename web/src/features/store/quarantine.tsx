import { useState } from 'react';
import { micros } from '../../api/client';
import type { QuarantineItem } from '../../api/gen/console/v1/console_pb';
import { onlyEnglish, pick, useSpeech } from '../../i18n/language';
import { keyText } from '../../keys/registry';
import { Button } from '../../ui/button';
import { Chip, Panel } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { sizeText } from '../../ui/size';
import { Moment } from '../../ui/time';
import { Good, More } from './files';

const most = 50;

/** Accepted events that could not be stored, why, and the way back. */
export function Detained({ items, onTakeIn }: { items: QuarantineItem[]; onTakeIn: (ids: string[]) => void }) {
  const { t, language } = useSpeech();
  const [whole, setWhole] = useState(false);
  const readable = items.filter((k) => !k.damaged).map((k) => k.id);
  const bytes = items.reduce((sum, k) => sum + micros(k.bytes), 0);
  return (
    <Panel
      title={t.detainedTitle}
      note={items.length > 0 ? `${t.detainedText} (${sizeText(bytes, language)})` : undefined}
      actions={
        readable.length > 0 && (
          <Button onClick={() => onTakeIn(readable)} hint={keyText('takeIn')}>
            {t.takeInAll}
          </Button>
        )
      }
    >
      {items.length === 0 && <Good text={t.detainedNone} />}
      <ul>
        {(whole ? items : items.slice(0, most)).map((k) => (
          <li
            key={k.id}
            data-detained={k.id}
            className="flex flex-wrap items-start gap-x-3 gap-y-1 border-b border-line px-3 py-2 last:border-0"
          >
            <div className="min-w-0 flex-1 basis-80">
              <p className="flex flex-wrap items-center gap-x-2">
                <Raw text={k.id} code full />
                {k.damaged ? (
                  <Chip tone="bad" whole>
                    {t.storeUnreadable}
                  </Chip>
                ) : (
                  <span className="font-semibold">{t.storeEventsOf(micros(k.events))}</span>
                )}
                <span className="text-text-2">
                  <Raw text={k.hosts.join(', ')} full />
                </span>
              </p>
              {k.damaged && <p>{t.detainedDamaged}</p>}
              <p className="text-text-2">
                <span className="text-muted">{t.storeWhy}: </span>
                {k.reason === '' ? (
                  t.detainedNoReason
                ) : (
                  <Told text={pick(k.why, language) || k.reason} english={onlyEnglish(k.why, language)} full />
                )}
              </p>
            </div>
            <div className="tnum text-right text-xs text-text-2">
              <p>
                {t.detainedAt}: <Moment at={micros(k.time)} />
              </p>
              <p>{sizeText(micros(k.bytes), language)}</p>
            </div>
            {!k.damaged && <Button onClick={() => onTakeIn([k.id])}>{t.takeIn}</Button>}
          </li>
        ))}
      </ul>
      <More left={whole ? 0 : items.length - most} onClick={() => setWhole(true)} />
    </Panel>
  );
}
