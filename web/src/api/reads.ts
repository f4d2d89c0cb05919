import { queryOptions } from '@tanstack/react-query';
import { api, whoAmI } from './client';
import { readStory } from './story';

export interface IncidentQuestion {
  state?: string;
  order?: string;
  severity?: string;
  search?: string;
  limit?: number;
}

/** Every read of the server, as query options: one key and one call each. */
export const reads = {
  who: () =>
    queryOptions({
      queryKey: ['who'],
      queryFn: ({ signal }) => whoAmI(signal),
      staleTime: Number.POSITIVE_INFINITY,
      retry: false,
    }),
  home: () =>
    queryOptions({ queryKey: ['home'], queryFn: ({ signal }) => api.getHome({}, { signal }), refetchInterval: 15_000 }),
  hosts: () =>
    queryOptions({
      queryKey: ['hosts'],
      queryFn: async ({ signal }) => (await api.listHosts({}, { signal })).hosts,
      refetchInterval: 15_000,
    }),
  detections: (severity: string, search: string) =>
    queryOptions({
      queryKey: ['detections', severity, search],
      queryFn: ({ signal }) => api.listDetections({ limit: 1000, severity, search }, { signal }),
    }),
  incidents: (ask: IncidentQuestion) =>
    queryOptions({
      queryKey: ['incidents', ask],
      queryFn: ({ signal }) => api.listIncidents({ limit: 500, ...ask }, { signal }),
    }),
  incident: (id: string) =>
    queryOptions({
      queryKey: ['incident', id],
      queryFn: async ({ signal }) => {
        const i = await api.getIncident({ id }, { signal });
        return { row: i.row, detections: i.detections, history: i.history, story: readStory(i.storyJson) };
      },
    }),
  eventsById: (ids: string[]) =>
    queryOptions({
      queryKey: ['events', 'ids', ids],
      queryFn: ({ signal }) => api.listEvents({ ids: ids.slice(0, 500) }, { signal }),
      enabled: ids.length > 0,
    }),
  eventsOf: (process: string) =>
    queryOptions({
      queryKey: ['events', 'process', process],
      queryFn: ({ signal }) => api.listEvents({ process, limit: 500 }, { signal }),
      enabled: process !== '',
    }),
  tree: (process: string) =>
    queryOptions({
      queryKey: ['tree', process],
      queryFn: ({ signal }) => api.getTree({ process, depth: 8, limit: 300 }, { signal }),
      enabled: process !== '',
    }),
  actions: () =>
    queryOptions({
      queryKey: ['actions'],
      queryFn: async ({ signal }) => (await api.listActions({ limit: 200 }, { signal })).actions,
    }),
  store: () =>
    queryOptions({
      queryKey: ['store'],
      queryFn: ({ signal }) => api.getStore({}, { signal }),
      refetchInterval: 15_000,
    }),
  quarantine: () =>
    queryOptions({
      queryKey: ['quarantine'],
      queryFn: async ({ signal }) => (await api.getQuarantine({}, { signal })).items,
      refetchInterval: 15_000,
    }),
  rules: () => queryOptions({ queryKey: ['rules'], queryFn: ({ signal }) => api.listRules({}, { signal }) }),
};

/** Which reads a change of a list makes stale. */
export const staleBy: Record<string, string[]> = {
  home: ['home'],
  hosts: ['hosts', 'home'],
  detections: ['detections'],
  incidents: ['incidents', 'incident', 'home'],
  actions: ['actions'],
};
