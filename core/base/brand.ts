/**
 * Nominal types for numbers that must not be mixed: an address of one space is not an address of another.
 * A brand exists only for the compiler; at run time the value is the plain bigint or number.
 */
declare const brand: unique symbol;

export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
