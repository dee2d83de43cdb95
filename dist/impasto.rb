# The formula of a Homebrew tap; dist/formula fills in the address, the version and the checksums.
class Impasto < Formula
  desc "Neural style transfer on the CPU"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "@REPOSITORY@/releases/download/v@VERSION@/impasto-@VERSION@-aarch64-apple-darwin.tar.gz"
      sha256 "@aarch64-apple-darwin@"
    end
    on_intel do
      url "@REPOSITORY@/releases/download/v@VERSION@/impasto-@VERSION@-x86_64-apple-darwin.tar.gz"
      sha256 "@x86_64-apple-darwin@"
    end
  end

  on_linux do
    on_arm do
      url "@REPOSITORY@/releases/download/v@VERSION@/impasto-@VERSION@-aarch64-unknown-linux-musl.tar.gz"
      sha256 "@aarch64-unknown-linux-musl@"
    end
    on_intel do
      url "@REPOSITORY@/releases/download/v@VERSION@/impasto-@VERSION@-x86_64-unknown-linux-musl.tar.gz"
      sha256 "@x86_64-unknown-linux-musl@"
    end
  end

  def install
    bin.install "impasto"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/impasto.bash" => "impasto"
    zsh_completion.install "completions/_impasto"
    fish_completion.install "completions/impasto.fish"
  end

  test do
    system bin/"impasto", "demo", "--help"
    assert_match "relu1_1", shell_output("#{bin}/impasto network --weights random")
  end
end
