import { type Duration, durationMs, type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';

export function date(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp && timestampDate(timestamp);
}

export function seconds(duration: Duration | undefined): number | undefined {
  return duration && durationMs(duration) / 1000;
}

/** Seconds from one time to another. */
export function elapsed(from: Timestamp | undefined, to: Timestamp | undefined): number | undefined {
  if (!from || !to) return undefined;
  return Number(to.seconds - from.seconds) + (to.nanos - from.nanos) / 1e9;
}

/** A duration: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`. */
export function span(seconds: number): string {
  if (seconds < 9.95) return `${Math.max(0.1, Math.round(seconds * 10) / 10)} s`;
  return wholeSpan(seconds);
}

/** The same in whole seconds, for durations that are still running. */
export function wholeSpan(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(Math.floor(whole / 60), 'min', whole % 60, 's');
  if (whole < 86_400) return pair(Math.floor(whole / 3600), 'h', Math.floor((whole % 3600) / 60), 'min');
  return pair(Math.floor(whole / 86_400), 'd', Math.floor((whole % 86_400) / 3600), 'h');
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** A duration in one unit: `12 s`, `8 min`, `3 h`, `4 d`. */
export function coarseSpan(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86_400)} d`;
}

/** How long ago, in one unit; the date beyond a month. */
export function ago(date: Date, now: number): string {
  const seconds = Math.round((now - date.getTime()) / 1000);
  if (seconds < 3) return 'just now';
  if (seconds < 30 * 86_400) return `${coarseSpan(seconds)} ago`;
  return date.toLocaleDateString(undefined, { dateStyle: 'medium' });
}

/** How far ahead, in one unit, or how long ago. */
export function until(date: Date, now: number): string {
  const seconds = Math.round((date.getTime() - now) / 1000);
  return seconds > 0 ? `in ${coarseSpan(seconds)}` : ago(date, now);
}

/** The time of day to the second, in the viewer's zone. */
export function timeOfDay(date: Date): string {
  return date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

/** The day in full, with its year. */
export function fullDay(date: Date): string {
  return date.toLocaleDateString(undefined, { dateStyle: 'full' });
}

/** The minute, with the date where it is not today. */
export function moment(date: Date, now: number): string {
  const isToday = date.toDateString() === new Date(now).toDateString();
  return isToday
    ? date.toLocaleTimeString(undefined, { timeStyle: 'short' })
    : date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

export function local(date: Date): string {
  return date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}

/** The exact time: `2026-11-21 10:51:21.345 UTC`. */
export function utc(date: Date): string {
  return `${date.toISOString().replace('T', ' ').replace('Z', '')} UTC`;
}
