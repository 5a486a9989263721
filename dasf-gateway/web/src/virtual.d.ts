/** The world atlas without the names of countries; `vite.config.ts` makes it. */
declare module 'virtual:world' {
  const world: unknown;
  export default world;
}
