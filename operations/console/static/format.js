// Figures as people read them.

const whole = new Intl.NumberFormat("en-GB");
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export const count = (number) => (Math.abs(number) < 1e6 ? whole.format(number) : compact.format(number));
export const time = (text) => clock.format(new Date(text));
export const moment = (text) => day.format(new Date(text));
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** Seconds as a person says them. */
export function duration(seconds) {
  if (seconds < 0.0005) return "0 s";
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export const json = (value) => JSON.stringify(value, null, 2);
export const sentence = (word) => word.charAt(0).toUpperCase() + word.slice(1).replaceAll("_", " ");

/** An operator by the end of their id, which is the random part; whoever sat at a terminal by name. */
export const person = (actor) => actor.replace(/^operator:.*(.{6})$/, "operator $1").replace(/^command-line:/, "");

/** Which class a lag deserves: the monitor's own bounds. */
export const lateness = (seconds) => (seconds >= 30 ? "very-late" : seconds >= 5 ? "late" : "");
