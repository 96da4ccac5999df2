/**
 * For the bundler: the page asks for its fonts with its script, not when its first text is laid out. Without them that text is
 * laid out in a font of the system, which has to be looked for, and once more when they have come.
 * @returns {import('vite').Plugin}
 */
export function preloadFonts() {
  return {
    name: 'preload-fonts',
    transformIndexHtml: {
      order: 'post',
      handler: (_html, { bundle = {} }) =>
        Object.keys(bundle)
          .filter((file) => file.endsWith('.woff2'))
          .map((file) => ({
            tag: 'link',
            attrs: { rel: 'preload', as: 'font', type: 'font/woff2', href: `/${file}`, crossorigin: '' },
            injectTo: 'head',
          })),
    },
  };
}
