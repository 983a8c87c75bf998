import dayjs from "dayjs";

export function bytes(n: number): string {
  if (n < 1024) {
    return `${n} B`;
  }
  if (n < 1024 * 1024) {
    return `${(n / 1024).toFixed(1)} KiB`;
  }
  return `${(n / 1024 / 1024).toFixed(1)} MiB`;
}

export function time(millis: number): string {
  return millis > 0 ? dayjs(millis).format("YYYY-MM-DD HH:mm:ss") : "–";
}
