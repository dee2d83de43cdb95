/* A loss and its gradient in C, with nothing but the standard library:

       cc -O2 -o loss loss.c -lm
       impasto gradcheck --exec ./loss

   The loss is the Rosenbrock function of N numbers. JSON need not be parsed in general: the questions have a fixed form,
   and the numbers of one list can be read one after the other. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 4

static double loss(const double *x) {
    double sum = 0.0;
    for (int i = 0; i + 1 < N; i++) {
        sum += 100.0 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1.0 - x[i], 2);
    }
    return sum;
}

static void gradient(const double *x, double *g) {
    memset(g, 0, N * sizeof *g);
    for (int i = 0; i + 1 < N; i++) {
        double off = x[i + 1] - x[i] * x[i];
        g[i] += -400.0 * x[i] * off - 2.0 * (1.0 - x[i]);
        g[i + 1] += 200.0 * off;
    }
}

/* Reads the numbers behind "inputs", as in {"ask":"value","inputs":[[0.1,0.2]]}. */
static void read_inputs(const char *line, double *x) {
    const char *at = strstr(line, "\"inputs\":");
    for (int i = 0; at && i < N; i++) {
        at += strcspn(at, "-0123456789");
        char *end;
        x[i] = strtod(at, &end);
        at = end;
    }
}

int main(void) {
    static char line[1 << 16];
    double x[N], g[N];
    while (fgets(line, sizeof line, stdin)) {
        if (strstr(line, "\"ask\":\"inputs\"")) {
            printf("{\"inputs\": [[-1.2, 1.0, 0.7, 0.3]]}\n");
        } else if (strstr(line, "\"ask\":\"value\"")) {
            read_inputs(line, x);
            printf("{\"value\": %.17g}\n", loss(x));
        } else {
            read_inputs(line, x);
            gradient(x, g);
            printf("{\"gradient\": [[");
            for (int i = 0; i < N; i++) {
                printf("%s%.17g", i ? ", " : "", g[i]);
            }
            printf("]]}\n");
        }
        fflush(stdout);
    }
    return 0;
}
