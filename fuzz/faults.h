/* faults.h - a world for targets that run the whole library: time that moves when the target says,
 * randomness that is the same each time, and allocations of the library's that fail. The linker
 * puts these before malloc, calloc, realloc and getrandom as our objects call them (--wrap); what
 * other libraries allocate is not touched, since libev ends the program where it gets nothing. */
#ifndef FUZZ_FAULTS_H
#define FUZZ_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* From here on the clocks stand still, and randomness begins anew. */
void faults_begin(void);

/* From here on they are the system's, and nothing fails. */
void faults_end(void);

void faults_move_time(uint64_t ms);
uint64_t faults_time(void); /* ms since faults_begin */

/* Of the library's allocations the next `skip` succeed, and `count` behind those fail. */
void faults_arm(unsigned skip, unsigned count);

#endif
