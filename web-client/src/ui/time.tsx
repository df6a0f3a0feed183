import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import { useCallback } from 'react';
import { ago, clock, date, local, utc, wholeSpan } from '@/format/time';
import { useTicking } from './clock';

/** How long ago something was; the exact time on hover. */
export function Ago({ time }: { time: Timestamp | undefined }) {
  const at = date(time);
  const ms = at?.getTime() ?? 0;
  const text = useTicking(useCallback((now) => ago(new Date(ms), now), [ms]));
  return at ? <Exact at={at}>{text}</Exact> : null;
}

/** A time of day in the viewer's zone; the exact time on hover. */
export function Clock({ time, full = false }: { time: Timestamp | undefined; full?: boolean }) {
  const at = date(time);
  return at ? <Exact at={at}>{full ? local(at) : clock(at)}</Exact> : null;
}

function Exact({ at, children }: { at: Date; children: string }) {
  return (
    <time className="time" dateTime={at.toISOString()} title={utc(at)}>
      {children}
    </time>
  );
}

/** Counts the seconds since something began. */
export function Counting({ since }: { since: Timestamp }) {
  const ms = timestampMs(since);
  const text = useTicking(useCallback((now) => wholeSpan((now - ms) / 1000), [ms]));
  return <span className="time">{text}</span>;
}
