import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { micros } from '../../api/client';
import { reads } from '../../api/reads';
import { pick, useSpeech } from '../../i18n/language';
import { Panel } from '../../ui/panel';
import { Raw, Told } from '../../ui/raw';
import { Severity } from '../../ui/severity';
import { Empty, Failure, Loading } from '../../ui/states';
import { Age } from '../../ui/time';

const most = 12;

/** The worst of what is open, the newest of the equally bad first; how many more there are is said. */
export function OpenIncidents({ blind }: { blind: boolean }) {
  const { t, language } = useSpeech();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const { data, error, isPending, refetch } = useQuery(
    reads.incidents({ state: 'open', order: 'severity', limit: most }),
  );
  const more = data ? Number(data.total) - data.incidents.length : 0;
  return (
    <Panel
      title={t.openIncidents}
      note={t.orderWorst}
      actions={
        <Link
          to="/t/$tenant/incidents"
          params={{ tenant }}
          search={{ state: 'open' }}
          className="text-sm text-accent hover:underline"
        >
          {more > 0 ? t.showMore(more) : t.showAll}
        </Link>
      }
    >
      {isPending && <Loading rows={3} />}
      {error && !data && <Failure error={error} retry={() => void refetch()} />}
      {data && data.incidents.length === 0 && (
        <Empty kind={blind ? 'blind' : 'yet'} title={t.noOpenIncidents}>
          {blind ? t.noOpenBlind : t.noOpenIncidentsText}
        </Empty>
      )}
      <ul>
        {(data?.incidents ?? []).map((i) => (
          <li key={i.id} data-severity={i.severity} className="border-b border-line last:border-0">
            <Link
              to="/t/$tenant/incidents/$id"
              params={{ tenant, id: i.id }}
              search={{}}
              className="grid grid-cols-[6.5rem_1fr_auto] items-center gap-x-3 px-3 py-1.5 hover:bg-hover"
            >
              <span>
                <Severity level={i.severity} />
              </span>
              <span className="min-w-0 truncate font-semibold">
                <Told text={pick(i.title, language)} />
              </span>
              <span className="text-xs text-text-2">
                <Raw text={i.hostnames.join(', ')} /> · <Age at={micros(i.last)} />
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
