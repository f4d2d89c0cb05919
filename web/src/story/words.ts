import type { Messages } from '../i18n/en';

export function edgeWord(t: Messages, kind: string): string {
  const words: Record<string, string> = {
    spawn: t.edgeSpawn,
    wrote_executed: t.edgeWroteExecuted,
    downloaded_from: t.edgeDownloadedFrom,
    url_handoff: t.edgeUrlHandoff,
    scheduled_by: t.edgeScheduledBy,
    injected: t.edgeInjected,
    piped_to: t.edgePiped,
    logon_from: t.edgeLogonFrom,
    host_to_host: t.edgeHostToHost,
  };
  return words[kind] ?? kind;
}

export function kindWord(t: Messages, kind: string): string {
  const words: Record<string, string> = {
    process: t.kindProcess,
    file: t.kindFile,
    url: t.kindUrl,
    address: t.kindAddress,
    session: t.kindSession,
    scheduled: t.kindScheduled,
    host: t.kindHost,
  };
  return words[kind] ?? kind;
}

export function flagWord(t: Messages, flag: string): string | undefined {
  const words: Record<string, string> = {
    context: t.flagContext,
    hub: t.flagHub,
    not_observed: t.flagNotObserved,
    before_start: t.flagBeforeStart,
    memory_file: t.flagMemory,
    deleted_file: t.flagDeleted,
    prevented: t.flagPrevented,
    entry: t.flagEntry,
  };
  return words[flag];
}

export function confidenceWord(t: Messages, confidence: string): string {
  return confidence === 'high' ? t.confidenceHigh : confidence === 'medium' ? t.confidenceMedium : t.confidenceLow;
}

export function answerWord(t: Messages, answer: string): string {
  const words: Record<string, string> = {
    when: t.answerWhen,
    where: t.answerWhere,
    what: t.answerWhat,
    why: t.answerWhy,
    who: t.answerWho,
    accounts: t.answerAccounts,
    how: t.answerHow,
  };
  return words[answer] ?? answer;
}

export function stateWord(t: Messages, state: string): string {
  return state === 'new'
    ? t.stateNew
    : state === 'triaging'
      ? t.stateTriaging
      : state === 'closed'
        ? t.stateClosed
        : state;
}
