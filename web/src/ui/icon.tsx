const paths = {
  home: 'M3 11 12 4l9 7M6 9.5V20h12V9.5',
  queue: 'M4 6h16M4 12h16M4 18h10',
  story: 'M6 5v5h5m-5 0v8h5M11 8h8v4h-8zM11 16h8v4h-8zM3 3h6',
  host: 'M4 5h16v11H4zM9 20h6M12 16v4',
  events: 'M3 12h4l3-7 4 14 3-7h4',
  rule: 'M7 3h8l4 4v14H7zM10 12h6M10 16h6M14 3v5h5',
  response: 'M12 3 5 6v5c0 5 3 8 7 10 4-2 7-5 7-10V6zM9 12l2 2 4-4',
  store: 'M4 6c0-2 16-2 16 0v12c0 2-16 2-16 0zM4 6c0 2 16 2 16 0M4 12c0 2 16 2 16 0',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5 19 19M19 5l-1.5 1.5M6.5 17.5 5 19',
  moon: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      aria-hidden="true"
      viewBox="0 0 24 24"
      className="size-4 shrink-0 fill-none stroke-current stroke-[1.8]"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={paths[name]} />
    </svg>
  );
}

/** The product's mark: a watchtower. */
export function Tower() {
  return (
    <svg aria-hidden="true" viewBox="0 0 24 24" className="size-5 fill-accent">
      <path d="M12 1 3 6.2V9h18V6.2zM5 10.5h14V13H5zM6.5 14.5h3.2L8.6 23H5.4zM14.3 14.5h3.2L18.6 23h-3.2zM10.6 14.5h2.8l.5 3.5h-3.8z" />
    </svg>
  );
}
