/** The outlines of the map; `vite.config.ts` makes them. */
declare module 'virtual:world' {
  const world: unknown;
  export default world;
}

declare module 'virtual:coast' {
  const coast: unknown;
  export default coast;
}
