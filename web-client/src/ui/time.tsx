import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import { useCallback } from 'react';
import { ago, coarseSpan, date, local, moment, timeOfDay, until, utc, wholeSpan } from '@/format/time';
import { useTicking } from './clock';

interface Props {
  time: Timestamp | undefined;
}

/** How long ago something happened; the exact time on hover. */
export const Ago = ({ time }: Props) => <Relative time={time} format={ago} />;

/** In how long something will happen; the exact time on hover. */
export const Until = ({ time }: Props) => <Relative time={time} format={until} />;

/** A time of day in the viewer's zone; the exact time on hover. */
export function TimeOfDay({ time }: Props) {
  const at = date(time);
  return at ? <Exact at={at}>{timeOfDay(at)}</Exact> : null;
}

/** Date and time in the viewer's zone; the exact time on hover. */
export function DateTime({ time }: Props) {
  const at = date(time);
  return at ? <Exact at={at}>{local(at)}</Exact> : null;
}

/** The minute something happened, with the date where it is not today; the exact time on hover. */
export const Moment = ({ time }: Props) => <Relative time={time} format={moment} />;

/** A text that changes with the time. */
function Relative({ time, format }: Props & { format: (date: Date, now: number) => string }) {
  const at = date(time);
  const ms = at?.getTime() ?? 0;
  const text = useTicking(useCallback((now) => format(new Date(ms), now), [ms, format]));
  return at ? <Exact at={at}>{text}</Exact> : null;
}

function Exact({ at, children }: { at: Date; children: string }) {
  return (
    <time className="time" dateTime={at.toISOString()} title={utc(at)}>
      {children}
    </time>
  );
}

/** The time since something began; `coarse` in one unit. */
export function Counting({ since, coarse = false }: { since: Timestamp; coarse?: boolean }) {
  const ms = timestampMs(since);
  const format = coarse ? coarseSpan : wholeSpan;
  const text = useTicking(useCallback((now) => format((now - ms) / 1000), [ms, format]));
  return <span className="time">{text}</span>;
}
