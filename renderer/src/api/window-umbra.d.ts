import type { UmbraDesktop } from '@core/protocol/index.ts';

declare global {
  interface Window {
    /** Put there by the preload; the only way out of this page. */
    readonly umbra: UmbraDesktop;
  }
}
