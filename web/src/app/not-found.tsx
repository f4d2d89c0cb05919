import { Link } from '@tanstack/react-router';
import { useText } from '../i18n/language';

/** An address outside the frame, or of another tenant. */
export function LostPage() {
  return (
    <main>
      <NotFound />
    </main>
  );
}

export function NotFound() {
  const t = useText();
  return (
    <div className="m-8">
      <h1 className="text-lg font-semibold">{t.notFoundTitle}</h1>
      <p className="mt-1 text-text-2">{t.notFoundText}</p>
      <Link to="/" className="mt-3 inline-block text-accent underline">
        {t.backHome}
      </Link>
    </div>
  );
}
