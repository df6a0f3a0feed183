import { timestampDate } from '@bufbuild/protobuf/wkt';
import { Text } from '@mantine/core';
import { Bar, BarChart, CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { local, seconds, span } from '@/format/time';
import type { OverviewPeriod } from '@/gen/storeplane/v1/platform_pb';
import { Panel } from '@/ui/panel';
import { ChartTable } from './chart-table';
import type { ChartsProps } from './lazy-charts';

const HEIGHT = 220;
const AXIS = { stroke: 'var(--quiet)', fontSize: 12, tickLine: false, axisLine: false } as const;
const MARGIN = { top: 8, right: 8, bottom: 0, left: 0 };

interface Point {
  start: Date;
  created: number;
  failed: number;
  median: number | undefined;
}

export default function Charts(props: ChartsProps) {
  return (
    <>
      <RatesChart {...props} />
      <DurationsChart {...props} />
    </>
  );
}

function points(periods: OverviewPeriod[]): Point[] {
  return periods.map(({ startTime, created, failed, medianTimeToReady }) => ({
    start: startTime ? timestampDate(startTime) : new Date(0),
    created: Number(created),
    failed: Number(failed),
    median: seconds(medianTimeToReady),
  }));
}

/** Stores created and operations failed over time. */
function RatesChart({ periods, hours }: ChartsProps) {
  const data = points(periods);
  return (
    <Panel title="Creations and failures" aside={<Legend />}>
      <figure className="chart" aria-label="Stores created and failed operations over time">
        <ResponsiveContainer width="100%" height={HEIGHT}>
          <BarChart data={data} margin={MARGIN} barGap={1} accessibilityLayer={false}>
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis dataKey="start" tickFormatter={tick(hours)} minTickGap={32} {...AXIS} />
            <YAxis allowDecimals={false} width={32} {...AXIS} />
            <Tooltip cursor={{ fill: 'var(--row-hover)' }} content={<ChartTooltip />} />
            <Bar
              dataKey="created"
              name="Stores created"
              fill="var(--chart-created)"
              radius={2}
              isAnimationActive={false}
            />
            <Bar
              dataKey="failed"
              name="Failed operations"
              fill="var(--chart-failed)"
              radius={2}
              isAnimationActive={false}
            />
          </BarChart>
        </ResponsiveContainer>
        <ChartTable
          head={['From', 'Stores created', 'Failed operations']}
          rows={data.map(({ start, created, failed }) => [local(start), String(created), String(failed)])}
        />
      </figure>
    </Panel>
  );
}

/** The median time from CreateStore to READY, of stores that were ready without a retry. */
function DurationsChart({ periods, hours }: ChartsProps) {
  const data = points(periods);
  return (
    <Panel title="Median time to ready">
      <figure className="chart" aria-label="Median time to ready over time">
        <ResponsiveContainer width="100%" height={HEIGHT}>
          <LineChart data={data} margin={MARGIN} accessibilityLayer={false}>
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis dataKey="start" tickFormatter={tick(hours)} minTickGap={32} {...AXIS} />
            <YAxis tickFormatter={(value: number) => (value === 0 ? '0' : span(value))} width={56} {...AXIS} />
            <Tooltip content={<ChartTooltip />} />
            <Line
              dataKey="median"
              name="Median"
              stroke="var(--chart-created)"
              strokeWidth={2}
              dot={{ r: 3, fill: 'var(--chart-created)' }}
              connectNulls
              isAnimationActive={false}
            />
          </LineChart>
        </ResponsiveContainer>
        <ChartTable
          head={['From', 'Median time to ready']}
          rows={data.map(({ start, median }) => [local(start), median === undefined ? 'none' : span(median)])}
        />
      </figure>
    </Panel>
  );
}

function tick(hours: number): (value: Date) => string {
  return (value) =>
    hours <= 24
      ? value.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' })
      : value.toLocaleDateString(undefined, { month: 'short', day: 'numeric' });
}

interface ChartTooltipProps {
  active?: boolean;
  payload?: readonly { name?: string | number; value?: unknown; payload?: Point; dataKey?: unknown }[];
}

function ChartTooltip({ active, payload }: ChartTooltipProps) {
  const start = payload?.[0]?.payload?.start;
  if (!active || !start) return null;
  return (
    <div className="hint">
      <Text size="xs" className="dimmed">
        From {local(start)}
      </Text>
      {payload?.map(({ name, value, dataKey }) => (
        <Text size="sm" key={String(name)} className="numbers">
          {name}: {dataKey === 'median' ? span(Number(value)) : Number(value).toLocaleString()}
        </Text>
      ))}
    </div>
  );
}

function Legend() {
  return (
    <Text size="xs" className="dimmed legend" component="div">
      <span style={{ background: 'var(--chart-created)' }} /> Created
      <span style={{ background: 'var(--chart-failed)' }} /> Failed operations
    </Text>
  );
}
