# A loss and its gradient in R, with nothing but base R:
#
#     impasto gradcheck --exec "Rscript loss.R"
#
# The loss is the negative log-likelihood of a normal distribution with mean w[1] and standard deviation exp(w[2]).

y <- c(1.3, 0.2, 2.1, -0.4, 0.9)

loss <- function(w) sum((y - w[1])^2) / (2 * exp(2 * w[2])) + length(y) * w[2]

gradient <- function(w) {
  c(-sum(y - w[1]) / exp(2 * w[2]), length(y) - sum((y - w[1])^2) / exp(2 * w[2]))
}

list_of <- function(numbers) paste0("[", paste(sprintf("%.17g", numbers), collapse = ", "), "]")

questions <- file("stdin", "r")
while (length(question <- readLines(questions, n = 1)) > 0) {
  # The numbers behind "inputs", as in {"ask":"value","inputs":[[0.1,0.2]]}.
  numbers <- gsub("[^-+0-9.eE]+", " ", sub('.*"inputs":', "", question))
  if (grepl('"ask":"inputs"', question)) {
    cat('{"inputs": [[0.5, 0.1]]}\n')
  } else if (grepl('"ask":"value"', question)) {
    cat(sprintf('{"value": %.17g}\n', loss(scan(text = numbers, quiet = TRUE))))
  } else {
    cat(sprintf('{"gradient": [%s]}\n', list_of(gradient(scan(text = numbers, quiet = TRUE)))))
  }
  flush(stdout())
}
