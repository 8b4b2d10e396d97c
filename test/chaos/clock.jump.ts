const TrueDate = Date;
let offsetMs = 0;

/** Makes the application's clock be off by so much, backwards too. MySQL's clock is the only one that may count. */
export function jumpClock(byMs: number): void {
  offsetMs = byMs;
  if (globalThis.Date !== TrueDate) return;
  globalThis.Date = new Proxy(TrueDate, {
    construct: (target, parts: [], newTarget) =>
      Reflect.construct(target, parts.length === 0 ? [target.now() + offsetMs] : parts, newTarget) as Date,
    apply: (target) => new target(target.now() + offsetMs).toString(),
    get: (target, property, receiver) =>
      property === 'now' ? () => target.now() + offsetMs : (Reflect.get(target, property, receiver) as unknown),
  });
}
