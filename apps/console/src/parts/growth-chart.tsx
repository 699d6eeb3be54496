import type { GrowthPoint } from '../growth.ts';
import { countWords, dateWords } from '../words.ts';

const WIDTH = 640;
const HEIGHT = 200;

/** The log's size over time: a picture, and the same numbers as a table. */
export function GrowthChart({ points }: { points: readonly GrowthPoint[] }) {
  const first = points[0];
  const last = points[points.length - 1];
  if (!first || !last || points.length < 2) return <p>The log is too young for a picture.</p>;
  const line = points.map((point) => position(point, first, last)).map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`);
  return (
    <figure class="chart">
      <figcaption>Entries over time</figcaption>
      <div class="chart-frame">
        <span class="chart-top">{countWords(last.size)}</span>
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={summary(first, last)}>
          <path class="chart-area" d={`M0,${HEIGHT} L${line.join(' L')} L${WIDTH},${HEIGHT} Z`} />
          <path class="chart-line" d={`M${line.join(' L')}`} vector-effect="non-scaling-stroke" />
        </svg>
        <span class="chart-start">{dateWords(first.at)}</span>
        <span class="chart-end">{dateWords(last.at)}</span>
      </div>
      <details>
        <summary>The same as a table</summary>
        <div class="scroll" tabIndex={0} role="region" aria-label="Entries over time, as a table">
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col" class="number">
                  Entries
                </th>
              </tr>
            </thead>
            <tbody>
              {points.map((point) => (
                <tr key={point.size}>
                  <td>{dateWords(point.at)}</td>
                  <td class="number">{countWords(point.size)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

function position(point: GrowthPoint, first: GrowthPoint, last: GrowthPoint): [x: number, y: number] {
  const span = Math.max(1, last.at.getTime() - first.at.getTime());
  return [
    ((point.at.getTime() - first.at.getTime()) / span) * WIDTH,
    HEIGHT - (point.size / Math.max(1, last.size)) * (HEIGHT - 8),
  ];
}

function summary(first: GrowthPoint, last: GrowthPoint): string {
  return `The log grew from ${countWords(first.size)} to ${countWords(last.size)} entries between ${dateWords(first.at)} and ${dateWords(last.at)}.`;
}
