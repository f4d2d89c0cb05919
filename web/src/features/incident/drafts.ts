/**
 * What was typed about an incident and not sent, by incident: neither Esc pressed in haste nor a session that ends
 * loses it. It lives as long as the page is not loaded anew, and goes with whoever signs out.
 */
export const drafts = { reasons: new Map<string, string>(), notes: new Map<string, string>() };

export function dropDrafts(): void {
  drafts.reasons.clear();
  drafts.notes.clear();
}
