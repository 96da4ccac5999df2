// @ts-check
/**
 * Runs in the page of the window that is measured: everything is timed there, from the event of the key to the frame that
 * shows what came of it. Nothing of the program knows of it.
 */
(() => {
  const PATIENCE_MS = 5000;
  const FRAME_MS = 1000 / 60;

  /** To be called while a frame is being made: the time when it has been handed over. */
  const handedOver = () =>
    new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve(performance.now());
      port2.postMessage(0);
    });
  /** @returns {Promise<number>} */
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));

  const currentAddress = () =>
    document.querySelector('[data-panel=disassembly] [aria-current=true]')?.getAttribute('data-address');
  const insns = () => document.querySelector('[data-reading=insns]')?.textContent?.trim();
  const isSeen = (/** @type {Element} */ element) => element.checkVisibility() && element.getClientRects().length > 0;
  /** Moments that panels on screen say they show. */
  const moments = () =>
    [...document.querySelectorAll('.panel .moment')].filter(isSeen).map((element) => element.textContent?.trim());
  const panel = (/** @type {string} */ name) => document.querySelector(`[data-panel=${name}]`);

  /** @type {Promise<any> | undefined} */
  let armed;

  /** Starts the clock with the next key that goes down. */
  const onKey = (/** @type {(begin: number) => Promise<any>} */ measure) => {
    armed = new Promise((resolve) => {
      addEventListener('keydown', (event) => resolve(measure(event.timeStamp)), { capture: true, once: true });
    });
  };

  /** @returns milliseconds until `holds`, looked at before every frame; undefined when it never does */
  async function until(/** @type {number} */ begin, /** @type {() => boolean} */ holds) {
    // Looked at when a frame begins: what holds then is in that frame.
    do {
      if (performance.now() - begin > PATIENCE_MS) return undefined;
      await frame();
    } while (!holds());
    return (await handedOver()) - begin;
  }

  /** Frames while `work` goes on. */
  async function countFrames(
    /** @type {() => Promise<unknown>} */ work,
    /** @type {() => void} */ eachFrame = () => {},
  ) {
    /** @type {PerformanceEntry[]} */
    const longTasks = [];
    const observer = new PerformanceObserver((list) => longTasks.push(...list.getEntries()));
    observer.observe({ type: 'longtask' });
    /** @type {number[]} */
    const times = [];
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        times.push(await frame());
        eachFrame();
      }
    })();
    await work();
    isOver = true;
    await watching;
    observer.disconnect();
    const gaps = times.slice(1).map((time, i) => time - times[i]);
    const seconds = gaps.reduce((sum, gap) => sum + gap, 0) / 1000;
    return {
      frames: gaps.length,
      seconds,
      dropped: gaps.reduce((sum, gap) => sum + Math.max(0, Math.round(gap / FRAME_MS) - 1), 0),
      worst: Math.max(...gaps),
      longTasks: longTasks.length,
      longest: Math.max(0, ...longTasks.map(({ duration }) => duration)),
    };
  }

  const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));

  const umbraProbe = {
    result: () => armed,

    /** F11 to the frame with the new current line, and to the one in which every panel on screen is of the new moment. */
    armStep() {
      const address = currentAddress();
      const count = insns();
      onKey(async (begin) => {
        const rip = await until(begin, () => insns() !== count && currentAddress() !== address);
        const now = insns();
        const all = await until(begin, () => moments().every((moment) => moment === `at ${now}`));
        return { rip, all };
      });
    },

    /** The key that opens a panel, to the frame in which it is there with its data, where it has any. */
    armPanel(/** @type {string} */ name, /** @type {boolean} */ hasMoment) {
      onKey((begin) =>
        until(begin, () => {
          const element = panel(name);
          return (
            element !== null &&
            isSeen(element) &&
            element.childElementCount > 0 &&
            (!hasMoment || element.querySelector('.moment') !== null)
          );
        }),
      );
    },

    hasMoment: (/** @type {string} */ name) => panel(name)?.querySelector('.moment') !== null,

    async closePanel(/** @type {string} */ name) {
      const button = document.querySelector(`[data-close=${name}]`);
      if (button instanceof HTMLElement) button.click();
      await sleep(150);
    },

    /** Makes a machine; the page hears of it when it is loaded again. */
    async load(/** @type {string} */ guest, /** @type {any} */ options) {
      const image = await window.umbra.readGuest(guest);
      if (!image.ok) throw new Error(image.message);
      const made = await window.umbra.request('machine.create', { image: image.value.bytes, name: guest, options });
      if (!made.ok) throw new Error(made.error.message);
    },

    /** Runs the guest to its end. */
    async runToExit() {
      await window.umbra.request('run.continue', {});
      for (;;) {
        const status = await window.umbra.request('machine.status', {});
        if (!status.ok) throw new Error(status.error.message);
        if (status.value.state !== 'running') return status.value.state;
        await sleep(50);
      }
    },

    async run() {
      await window.umbra.request('run.continue', {});
    },
    async pause() {
      await window.umbra.request('run.pause', {});
    },

    /**
     * How often each panel on screen changed, a second.
     * @param {number} ms
     */
    async followChanges(ms) {
      /** @type {Map<string, number>} */
      const frames = new Map();
      /** @type {Set<string>} */
      let changed = new Set();
      const observer = new MutationObserver((mutations) => {
        for (const { target } of mutations) {
          const element = target instanceof Element ? target : target.parentElement;
          const bar = element?.closest('.run-bar') ? 'run bar' : undefined;
          const name = bar ?? element?.closest('[data-panel]')?.getAttribute('data-panel');
          if (name) changed.add(name);
        }
      });
      observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
      const counted = await countFrames(
        () => sleep(ms),
        () => {
          for (const name of changed) frames.set(name, (frames.get(name) ?? 0) + 1);
          changed = new Set();
        },
      );
      observer.disconnect();
      return { perSecond: [...frames].map(([name, count]) => ({ name, hertz: count / counted.seconds })), ...counted };
    },

    /** @param {number} perFrame pixels @param {number} ms */
    async scroll(perFrame, ms) {
      const scroller = panel('sptes')?.querySelector('.scroller');
      if (!scroller) throw new Error('the spte inspector has no table');
      scroller.scrollTop = 0;
      await sleep(300);
      let blanks = 0;
      let rows = 0;
      const counted = await countFrames(
        () => sleep(ms),
        () => {
          for (const row of scroller.querySelectorAll('.table-row')) {
            rows += 1;
            if (row.childElementCount < 3) blanks += 1;
          }
          const end = scroller.scrollHeight - scroller.clientHeight;
          scroller.scrollTop = scroller.scrollTop + perFrame > end ? 0 : scroller.scrollTop + perFrame;
        },
      );
      return { ...counted, blank: rows === 0 ? 1 : blanks / rows };
    },

    /** Clicks and counts frames until the first row on screen is another. */
    async change(/** @type {string} */ selector, /** @type {string | undefined} */ value) {
      const control = panel('sptes')?.querySelector(selector);
      if (!(control instanceof HTMLElement)) throw new Error(`the spte inspector has no ${selector}`);
      const firstRow = () => panel('sptes')?.querySelector('.table-row')?.textContent ?? '';
      const total = () => panel('sptes')?.querySelector('[data-reading=spte-count]')?.textContent ?? '';
      const before = firstRow() + total();
      const begin = performance.now();
      /** @type {number | undefined} */
      let ms;
      const counted = await countFrames(async () => {
        if (control instanceof HTMLSelectElement && value !== undefined) {
          control.value = value;
          control.dispatchEvent(new Event('change', { bubbles: true }));
        } else control.click();
        ms = await until(begin, () => firstRow() + total() !== before);
      });
      return { ...counted, ms };
    },

    spteCount: () => panel('sptes')?.querySelector('[data-reading=spte-count]')?.textContent?.trim(),
    sleep,
  };

  Object.assign(globalThis, { umbraProbe });
})();
