/* netproto/export.h - what leaves the library, and hints to the compiler.
 *
 * The libraries are built with hidden visibility; only what is marked NP_API is exported.
 */
#ifndef NETPROTO_EXPORT_H
#define NETPROTO_EXPORT_H

#define NP_API __attribute__((visibility("default")))
#define NP_HIDDEN __attribute__((visibility("hidden")))
#define NP_MUST_CHECK __attribute__((warn_unused_result))
#define NP_COLD __attribute__((cold, noinline))
#define np_unlikely(x) __builtin_expect(!!(x), 0)
#define np_likely(x) __builtin_expect(!!(x), 1)

/* Marks what a schema calls deprecated, so that the compiler tells where a program uses it. Define
 * NP_NO_DEPRECATED before the first include to hear nothing, as generated code does: it serves
 * peers that still use it. */
#ifdef NP_NO_DEPRECATED
#define NP_DEPRECATED(why)
#else
#define NP_DEPRECATED(why) __attribute__((deprecated(why)))
#endif

/* The contract between generated code and these headers. Generated code refuses to compile
 * against another number: regenerate it then. */
#define NP_GEN_ABI 4

#endif
