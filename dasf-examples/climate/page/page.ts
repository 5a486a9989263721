/** Shows the values and the trend of a series. All numbers come from the module `climate`. */

import { Client, type Point, type SeriesInfo } from "./climate.js";

const WIDTH = 800;
const HEIGHT = 300;
/** The space for a label above and below the lines. */
const MARGIN = 20;

// `?broker=wss://broker.example.org/ws` selects another broker.
const broker = new URLSearchParams(location.search).get("broker") ?? "ws://localhost:8080/ws";
const client = new Client({ url: broker });

const form = document.querySelector("form")!;
const result = document.querySelector("#result")!;

/** The points of these years. */
function between(points: Point[], from: number, to: number): Point[] {
  return points.filter((point) => from <= point.year && point.year <= to);
}

/** Draws a line through the points. A gap in the data is a gap in the line. */
function draw(id: string, points: Point[], lowest: number, highest: number): void {
  let path = "";
  let pen = "M";
  points.forEach(({ value }, index) => {
    if (value == null) {
      pen = "M";
      return;
    }
    const x = (index / (points.length - 1)) * WIDTH;
    const part = (value - lowest) / (highest - lowest);
    const y = HEIGHT - MARGIN - part * (HEIGHT - 2 * MARGIN);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  document.getElementById(id)!.setAttribute("d", path);
}

/** Writes the highest and the lowest value beside the lines. */
function label(highest: number, lowest: number, unit: string): void {
  const texts = [highest, lowest].map((value, index) => {
    const text = document.createElementNS("http://www.w3.org/2000/svg", "text");
    text.setAttribute("x", "4");
    text.setAttribute("y", index === 0 ? "14" : `${HEIGHT - 4}`);
    text.textContent = `${value.toFixed(1)} ${unit}`;
    return text;
  });
  document.querySelector("#labels")!.replaceChildren(...texts);
}

/** Calls the module for the series and the years in the form. */
async function show(list: SeriesInfo[]): Promise<void> {
  const { name, unit } = list[form.series.selectedIndex];
  const [from, to] = [form.from.valueAsNumber, form.to.valueAsNumber];

  // The three calls run at the same time.
  const [trend, months, means] = await Promise.all([
    client.trend({ series: name, from, to }),
    client.movingMean({ series: name, window: 1 }),
    client.movingMean({ series: name, min_count: 6 }),
  ]);

  const values = between(months, from, to);
  const numbers = values.flatMap(({ value }) => value ?? []);
  const [lowest, highest] = [Math.min(...numbers), Math.max(...numbers)];
  draw("values", values, lowest, highest);
  draw("means", between(means, from, to), lowest, highest);
  label(highest, lowest, unit);

  const perYear = [trend.slope, trend.lower, trend.upper];
  const [slope, lower, upper] = perYear.map((value) => (value * 10).toFixed(2));
  result.textContent = `Trend: ${slope} ${unit} per decade (95 %: ${lower} to ${upper})`;
}

/** Shows an error of the module or of the connection on the page. */
async function attempt(work: () => Promise<void>): Promise<void> {
  result.className = "";
  try {
    await work();
  } catch (error) {
    result.className = "error";
    result.textContent = error instanceof Error ? error.message : String(error);
  }
}

await attempt(async () => {
  const list = await client.listSeries();
  form.series.append(...list.map((series) => new Option(series.title, series.name)));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(() => show(list));
  });
  await show(list);
});
