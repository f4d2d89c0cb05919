import { useSyncExternalStore } from 'react';

// One column below this width: a phone, or 400 % zoom of a small screen (WCAG 1.4.10).
const query = '(max-width: 767px)';

function subscribe(changed: () => void): () => void {
  const media = matchMedia(query);
  media.addEventListener('change', changed);
  return () => media.removeEventListener('change', changed);
}

/** Whether the screen has room for one column only. */
export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => matchMedia(query).matches);
}
