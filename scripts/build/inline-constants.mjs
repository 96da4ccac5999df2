/**
 * Arena offsets, bit masks and opcodes are constants of other modules; each must be an immediate in the hot loop, not
 * a load from a module variable. The bundler replaces every imported constant by its value; a constant computed from
 * other constants takes one more pass for each step.
 * @type {{ inlineConst: { mode: 'all', pass: number } }}
 */
export const inlineConstants = { inlineConst: { mode: 'all', pass: 10 } };
