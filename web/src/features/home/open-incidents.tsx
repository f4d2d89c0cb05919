import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { micros } from '../../api/client';
import { reads } from '../../api/reads';
import { pick, useSpeech } from '../../i18n/language';
import { Panel } from '../../ui/panel';
import { Raw } from '../../ui/raw';
import { Severity } from '../../ui/severity';
import { Empty, Failure, Loading } from '../../ui/states';
import { Age } from '../../ui/time';

const most = 8;

export function OpenIncidents({ blind }: { blind: boolean }) {
  const { t, language } = useSpeech();
  const { tenant } = useParams({ from: '/t/$tenant' });
  const { data, error, isPending, refetch } = useQuery(reads.incidents(''));
  const open = (data?.incidents ?? []).filter((i) => i.state !== 'closed');
  return (
    <Panel
      title={t.openIncidents}
      actions={
        <Link to="/t/$tenant/incidents" params={{ tenant }} search={{}} className="text-sm text-accent hover:underline">
          {t.showAll}
        </Link>
      }
    >
      {isPending && <Loading rows={3} />}
      {error && !data && <Failure error={error} retry={() => void refetch()} />}
      {data && open.length === 0 && (
        <Empty kind={blind ? 'blind' : 'yet'} title={t.noOpenIncidents}>
          {blind ? t.noOpenBlind : t.noOpenIncidentsText}
        </Empty>
      )}
      <ul>
        {open.slice(0, most).map((i) => (
          <li key={i.id} className="border-b border-line last:border-0">
            <Link
              to="/t/$tenant/incidents/$id"
              params={{ tenant, id: i.id }}
              search={{}}
              className="grid grid-cols-[auto_1fr_auto] items-center gap-x-3 px-3 py-1.5 hover:bg-hover"
            >
              <Severity level={i.severity} />
              <span className="min-w-0 truncate font-semibold">
                <Raw text={pick(i.title, language)} />
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
