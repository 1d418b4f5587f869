/* utc.c - see utc.h. The Gregorian calendar in the form of Howard Hinnant's "chrono-Compatible
 * Low-Level Date Algorithms" (days_from_civil, civil_from_days). */
#include "util/utc.h"

#include <inttypes.h>
#include <stdio.h>

char *np_utc_format(uint64_t wall_ms, char text[NP_UTC_LEN])
{
    uint64_t days = wall_ms / 86400000u;
    uint32_t ms = (uint32_t)(wall_ms % 86400000u);
    uint64_t shifted = days + 719468;
    uint64_t era = shifted / 146097;
    uint64_t day_of_era = shifted % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t month = (5 * day_of_year + 2) / 153;
    unsigned day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1);
    unsigned civil_month = (unsigned)(month < 10 ? month + 3 : month - 9);
    uint64_t year = year_of_era + era * 400 + (civil_month <= 2);

    snprintf(text, NP_UTC_LEN, "%04" PRIu64 "-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000,
             civil_month, day, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
    return text;
}
