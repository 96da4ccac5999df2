/** The channels between main and the preload. Nothing else in the program names one. */
export const CHANNEL = {
  /** page → main: a request to the engine. */
  engine: 'umbra:engine',
  /** page → main: a verb of the host. */
  desktop: 'umbra:desktop',
  /** main → page: an engine event. */
  event: 'umbra:event',
  /** page → main: the page wants its line to the engine; main → page: here it is. */
  port: 'umbra:port',
  /** main → page: a menu command. */
  menu: 'umbra:menu',
} as const;

/** The command-line switch by which main tells the preload what it runs on; a sandboxed preload cannot find out. */
export const PLATFORM_SWITCH = '--umbra-platform=';
