/* What the stand-in for McStas' generator writes: a program with McStas' options, loop and files, and faults to order. */
#define _GNU_SOURCE /* as McStas defines it */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double value(int argc, char **argv, const char *name, double preset) {
  size_t length = strlen(name);
  for (int i = 1; i < argc; i++)
    if (!strncmp(argv[i], name, length) && argv[i][length] == '=') return atof(argv[i] + length + 1);
  return preset;
}

struct particle { unsigned long _uid; };

int main(int argc, char **argv) {
  const char *dir = ".";
  char path[4096];
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--list-parameters")) { printf("%s", PARAMETERS); return 0; }
    if (!strncmp(argv[i], "--dir=", 6)) dir = argv[i] + 6;
  }
  double ncount = value(argc, argv, "--ncount", 1000), seed = value(argc, argv, "--seed", 1);
  double centre = value(argc, argv, "centre", 5), fault = value(argc, argv, "fault", 0), slow = value(argc, argv, "slow", 0);
  if (fault == 1) { printf("PowderN: Could not open file nope.laz - exiting!\n"); return 255; }
  if (fault == 2) abort();
  if (fault == 3) { printf("Source: Unmeaningful definition of wavelength or energy range!\n ERROR - Exiting\n"); return 0; }
  mkdir(dir, 0700);
  struct particle particleN;
  unsigned long gpu_innerloop = (unsigned long)ncount;
  for (unsigned long pidx = 0; pidx < gpu_innerloop; pidx++) {
    particleN._uid = pidx;
    if (slow > 0 && particleN._uid % 100 == 0) {
      struct timespec pause = {0, (long)(slow * 1000)};
      nanosleep(&pause, NULL);
    }
  }
  snprintf(path, sizeof path, "%s/mccode.sim", dir);
  FILE *sim = fopen(path, "w");
  fprintf(sim, "begin data\n  type: array_1d(10)\n  component: detector\n  position: 0 0 5\n  title: Angle [deg] monitor\n"
               "  filename: d.dat\n  values: 1 0.1 100\n  xvar: th\n  xlabel: Angle [deg]\n  xlimits: 0 10\n"
               "  variables: th I I_err N\nend data\n");
  fclose(sim);
  snprintf(path, sizeof path, "%s/d.dat", dir);
  FILE *data = fopen(path, "w");
  for (int bin = 0; bin < (fault == 4 ? 4 : 10); bin++) {
    double x = bin + 0.5;
    fprintf(data, "%g %g %g %g\n", x, exp(-(x - centre) * (x - centre)) + seed * 1e-12, 0.1, ncount / 10);
  }
  fclose(data);
  return 0;
}
