import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { micros } from '../../api/client';
import type { Detection } from '../../api/gen/console/v1/console_pb';
import { reads } from '../../api/reads';
import type { Story, StoryNode } from '../../api/story';
import { onlyEnglish, pick, useSpeech, useText } from '../../i18n/language';
import { useKeys } from '../../keys/keys';
import { keyText } from '../../keys/registry';
import { flagWord, kindWord } from '../../story/words';
import { Button, CopyButton } from '../../ui/button';
import { Chip, Fact, Head } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Severity } from '../../ui/severity';
import { baseName } from '../../ui/show';
import { Moment } from '../../ui/time';
import { Respond, type Verb } from './respond';
import { EdgeChip, nodeName } from './story-row';

/** Everything about the selected node. */
export function Details({
  story,
  node,
  detections,
  onSelect,
  cite,
  onCite,
  incident,
}: {
  story: Story;
  node: StoryNode | undefined;
  detections: Detection[];
  onSelect: (ref: string) => void;
  cite: string | undefined;
  onCite: (cite: string | undefined) => void;
  incident: string;
}) {
  const { t, language } = useSpeech();
  const [verb, setVerb] = useState<Verb | undefined>(undefined);
  const isProcess = node?.kind === 'process';
  const running = isProcess && node.end === 0;
  const hostOf = node ? (node.host !== '' ? node.host : (node.ref.split('/')[0] ?? '')) : '';
  useKeys({
    isolate: node ? () => setVerb('isolate') : undefined,
    kill: running ? () => setVerb('kill') : undefined,
  });
  if (!node) return <p className="p-4 text-muted">{t.selectNode}</p>;
  const here = detections.filter((d) => node.detections.includes(d.id));
  const edges = story.edges.filter((e) => e.to === node.ref || e.from === node.ref);
  const nodes = new Map(story.nodes.map((n) => [n.ref, n]));
  const hostName = node.hostName || detections.find((d) => d.hostId === hostOf)?.hostname || hostOf;
  return (
    <div className="p-4">
      <p className="text-xs text-muted">{t.selected}</p>
      <h2 className="text-base font-semibold">
        <Raw text={nodeName(node)} full />{' '}
        {isProcess && (
          <span className="font-normal text-text-2">
            {t.pid} {node.pid}
          </span>
        )}
      </h2>
      <p className="mt-1 flex flex-wrap gap-1">
        <Chip>{kindWord(t, node.kind)}</Chip>
        {node.flags.map((f) => (
          <Chip key={f}>{flagWord(t, f) ?? f}</Chip>
        ))}
      </p>
      {node.commandLine !== '' && (
        <div className="mt-2 rounded border border-line bg-bg p-2">
          <div className="flex items-center text-xs text-muted">
            {t.commandLine}
            <span className="ml-auto">
              <CopyButton text={node.commandLine} />
            </span>
          </div>
          <Raw text={node.commandLine} code full />
        </div>
      )}
      <dl className="mt-2">
        {!isProcess && node.label !== '' && (
          <Fact name={kindWord(t, node.kind)}>
            <Raw text={node.label} code full />
          </Fact>
        )}
        {node.image !== '' && (
          <Fact name={t.image}>
            <Raw text={node.image} code full />
          </Fact>
        )}
        {node.user !== '' && (
          <Fact name={t.user}>
            <Raw text={node.user} full />
          </Fact>
        )}
        <Fact name={t.started}>
          <Moment at={node.start} />
        </Fact>
        {isProcess && <Fact name={t.ended}>{node.end > 0 ? <Moment at={node.end} /> : t.stillRunning}</Fact>}
        {node.cwd !== '' && (
          <Fact name={t.cwd}>
            <Raw text={node.cwd} code full />
          </Fact>
        )}
        {node.sha256 !== '' && (
          <Fact name={t.sha256}>
            <Raw text={node.sha256} code full />
          </Fact>
        )}
        {hostOf !== '' && (
          <Fact name={t.host}>
            <Raw text={hostName} full />
          </Fact>
        )}
        {isProcess && (
          <Fact name={t.processKey}>
            <Raw text={node.ref} code full />
          </Fact>
        )}
        {node.earlier.length > 0 && (
          <Fact name={t.earlier}>
            {node.earlier.map((e) => (
              <div key={e}>
                <Raw text={e} code full />
              </div>
            ))}
          </Fact>
        )}
      </dl>
      {isProcess && (
        <p className="mt-2">
          <Button
            onClick={() => onCite(cite === 'process' ? undefined : 'process')}
            pressed={cite === 'process'}
            hint={keyText('showEvents')}
          >
            {t.eventsShow}
          </Button>
        </p>
      )}
      {here.length > 0 && (
        <>
          <Head>{t.detectionsHere}</Head>
          <ul>
            {here.map((d) => (
              <li key={d.id} className="border-b border-line py-1.5 last:border-0">
                <div className="flex items-center gap-2">
                  <Severity level={d.severity} />
                  <Moment at={micros(d.time)} />
                </div>
                <p className="font-semibold">
                  <Told text={pick(d.title, language)} english={onlyEnglish(d.title, language)} full />
                </p>
                <p className="text-xs text-text-2">
                  <Told text={pick(d.why, language)} english={onlyEnglish(d.why, language)} full />
                </p>
                <p className="text-xs text-text-2">
                  <span className="text-muted">{t.whatToDo}: </span>
                  <Told text={pick(d.todo, language)} english={onlyEnglish(d.todo, language)} full />
                </p>
              </li>
            ))}
          </ul>
        </>
      )}
      {edges.length > 0 && (
        <>
          <Head>{t.edgesHere}</Head>
          <ul>
            {edges.map((e) => {
              const other = nodes.get(e.from === node.ref ? e.to : e.from);
              return (
                <li key={e.id} className="border-b border-line py-1.5 last:border-0">
                  <div className="flex min-w-0 items-center gap-1.5 text-xs">
                    <span aria-hidden="true">{e.from === node.ref ? '→' : '←'}</span>
                    <EdgeChip edge={e} />
                    {other && (
                      <button
                        type="button"
                        onClick={() => onSelect(other.ref)}
                        className="min-h-6 truncate text-accent hover:underline"
                      >
                        <Raw text={nodeName(other)} />
                      </button>
                    )}
                    <button
                      type="button"
                      aria-pressed={cite === `edge:${e.id}`}
                      onClick={() => onCite(`edge:${e.id}`)}
                      className="ml-auto min-h-6 whitespace-nowrap text-accent hover:underline"
                    >
                      {t.citedEvents(e.eventIds.length)}
                    </button>
                  </div>
                  <p className="text-xs text-text-2">
                    <Told text={pick(e.reason, language)} full />
                  </p>
                </li>
              );
            })}
          </ul>
        </>
      )}
      {isProcess && <ParentChain node={node} story={story} onSelect={onSelect} />}
      <Head>{t.response}</Head>
      <div className="flex flex-col gap-1.5">
        <Wide label={t.isolateHost} hint={keyText('isolate')} onClick={() => setVerb('isolate')} />
        {running && <Wide label={t.killProcess} hint={keyText('kill')} onClick={() => setVerb('kill')} />}
      </div>
      {verb && (
        <Respond
          verb={verb}
          host={hostOf}
          hostName={hostName}
          process={isProcess ? node.ref : ''}
          ended={isProcess ? node.end : 0}
          name={`${nodeName(node)} (${node.pid})`}
          incident={incident}
          onClose={() => setVerb(undefined)}
        />
      )}
    </div>
  );
}

function Wide({ label, hint, onClick }: { label: string; hint: string; onClick: () => void }) {
  return (
    <div className="flex flex-col">
      <Button tone="danger" onClick={onClick} hint={hint}>
        {label}
      </Button>
    </div>
  );
}

/** Who started it, up to the first process known: from the store, else from the story's own rows. */
function ParentChain({ node, story, onSelect }: { node: StoryNode; story: Story; onSelect: (ref: string) => void }) {
  const t = useText();
  const { data } = useQuery(reads.tree(node.ref));
  const inStory = new Set(story.nodes.map((n) => n.ref));
  const chain: { ref: string; name: string; pid: number; line: string }[] = [];
  const seen = new Set<string>();
  const byKey = new Map((data?.nodes ?? []).map((n) => [n.process, n]));
  for (let at = byKey.get(node.ref); at && !seen.has(at.process); at = byKey.get(at.parent)) {
    seen.add(at.process);
    chain.push({ ref: at.process, name: baseName(at.image), pid: Number(at.pid), line: at.commandLine });
  }
  if (chain.length === 0) {
    const byRef = new Map(story.nodes.map((n) => [n.ref, n]));
    const above = (ref: string) => story.edges.find((e) => e.kind === 'spawn' && e.to === ref)?.from ?? '';
    for (let at: StoryNode | undefined = node; at && !seen.has(at.ref); at = byRef.get(above(at.ref))) {
      seen.add(at.ref);
      chain.push({ ref: at.ref, name: nodeName(at), pid: at.pid, line: at.commandLine });
    }
  }
  if (chain.length === 0) return null;
  return (
    <>
      <Head>{t.parentChain}</Head>
      <ol className="text-xs">
        {chain.reverse().map((c, i) => (
          <li
            key={c.ref}
            className="flex min-w-0 items-center gap-1 py-0.5"
            style={{ paddingLeft: Math.min(i, 10) * 10 }}
          >
            <span aria-hidden="true" className="text-muted">
              {i === 0 ? '' : '└'}
            </span>
            {inStory.has(c.ref) && c.ref !== node.ref ? (
              <button
                type="button"
                onClick={() => onSelect(c.ref)}
                className="min-h-6 shrink-0 text-accent hover:underline"
              >
                <Raw text={c.name || '?'} />
              </button>
            ) : (
              <span className={c.ref === node.ref ? 'shrink-0 font-semibold' : 'shrink-0'}>
                <Raw text={c.name || '?'} />
              </span>
            )}
            <span className="tnum shrink-0 text-muted">{c.pid}</span>
            <span className="truncate text-text-2">
              <Raw text={c.line} code />
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}
